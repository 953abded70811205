"""Models that others logged get their compiled form in the service, and keep it over a new version."""

import time
from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from httpx import Client
from mlflow.models import infer_signature
from sklearn.ensemble import RandomForestRegressor

from sluice.model_flavour import quiet
from tests.serving.conftest import Service
from tests.serving.fakes import FakeRegistry, eventually

pytest.importorskip("skl2onnx")
pytestmark = pytest.mark.slow
ROWS = pd.DataFrame(np.random.default_rng(0).random((100, 3)), columns=list("abc"))
SECONDS = 240.0  # for a process of its own, which gives way to all others


@pytest.fixture
def forests(registry: FakeRegistry, tmp_path: Path) -> FakeRegistry:
    """Two versions of a forest, logged by plain MLflow code; the first is champion."""
    for version in ("1", "2"):
        folder = tmp_path / f"forest-{version}"
        with quiet():
            mlflow.sklearn.save_model(
                RandomForestRegressor(5, random_state=0).fit(ROWS, int(version) + 0 * ROWS["a"]),
                str(folder),
                signature=infer_signature(ROWS, np.ones(len(ROWS))),
                input_example=ROWS.head(3),
                serialization_format="cloudpickle",
                pip_requirements=["scikit-learn"],
            )
        registry.add("forest", version, folder, alias="champion" if version == "1" else None)
    return registry


def status(client: Client) -> tuple[str, str]:
    told = client.get("/models/forest").json()
    return told["version"], told["how"].partition(",")[0]


def test_a_compiled_champion_is_followed_by_a_compiled_one(
    service: Service, forests: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new version comes compiled: it is never seen as slow as it was logged, and then quick."""
    monkeypatch.setattr("serving.compiler.BESIDE_SECONDS", SECONDS)  # a busy machine takes its time
    with service(models=("forest",)) as client:
        eventually(lambda: status(client) == ("1", "compiled"), SECONDS)
        forests.set_alias("forest", "champion", "2")
        seen = until(lambda: status(client), ("2", "compiled"))
        assert seen == {("1", "compiled"), ("2", "compiled")}
        answer = client.post("/models/forest/predict", json={"rows": ROWS.head(1).to_dict("records")}).json()
        assert (answer["version"], answer["predictions"]) == ("2", [2.0])


def test_a_champion_that_cannot_be_compiled_is_not_held_up(service: Service, forests: FakeRegistry) -> None:
    """A version without a compiled form takes a compiled one's place as it is."""
    with service(models=("forest",)) as client:
        eventually(lambda: status(client) == ("1", "compiled"), SECONDS)
        (forests.files(forests.get("forest", version="2")) / "not-compiled.txt").write_text("nothing converts it")
        forests.set_alias("forest", "champion", "2")
        eventually(lambda: status(client)[0] == "2")
        assert status(client)[1] != "compiled"


def until(look: Callable[[], tuple[str, str]], wanted: tuple[str, str]) -> set[tuple[str, str]]:
    """All that was seen on the way."""
    seen: set[tuple[str, str]] = set()
    deadline = time.monotonic() + SECONDS
    while wanted not in seen:
        assert time.monotonic() < deadline, seen
        seen.add(look())
        time.sleep(0.01)
    return seen
