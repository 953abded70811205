"""What the event loop is spared: large answers become bytes where they were computed."""

from threading import current_thread
from typing import Any

import pytest

from serving import inference, invocations, scorer
from serving.open_inference.response import ResponseWriter
from tests.serving.conftest import Service


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of the threads that encoded something."""
    names: set[str] = set()

    def noting(holder: Any, name: str) -> None:
        original = getattr(holder, name)

        def noted(*arguments: Any) -> Any:
            names.add(current_thread().name.rpartition("_")[0])
            return original(*arguments)

        monkeypatch.setattr(holder, name, noted)

    for holder, name in ((invocations, "encode"), (scorer, "logged"), (inference, "logged"), (ResponseWriter, "write")):
        noting(holder, name)
    return names


def test_answers_that_take_a_thread_are_encoded_in_it(service: Service, threads: set[str]) -> None:
    """With what the log is to have of them, in both protocols."""
    row = {"x": 1.0, "label": "a"}
    tensors = [
        {"name": "x", "datatype": "FP64", "shape": [1], "data": [1.0]},
        {"name": "label", "datatype": "BYTES", "shape": [1], "data": ["a"]},
    ]
    with service(models=("numbers",)) as client:
        threads.clear()
        assert client.post("/models/numbers/predict", json={"rows": [row]}).status_code == 200
        assert client.post("/v2/models/numbers/infer", json={"inputs": tensors}).status_code == 200
    assert threads == {"predict"}
