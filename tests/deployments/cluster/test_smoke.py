"""What `helm test` does: a run of a pipeline, and a prediction."""

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import yaml

from deployments.cluster.smoke import pipeline, prediction
from sluice.errors import ServiceUnavailableError
from sluice.runs import FlowRun
from tests.helm.chart import CHART

INPUTS = [
    {"name": "age", "datatype": "INT64", "shape": [-1, 1]},
    {"name": "place", "datatype": "BYTES", "shape": [-1, 1]},
    {"name": "image", "datatype": "FP32", "shape": [-1, 2, 2]},
]


class FakeRuns:
    """A run that is over after two looks."""

    def __init__(self, end: str) -> None:
        self.end, self.looks, self.started = end, 0, ""

    def _run(self, state: str) -> FlowRun:
        now = datetime.now(UTC)
        state_ = {"message": "no rows"}
        return FlowRun(
            id="1", name="otter", flow_id="f", state_type=state, state_name=state.title(), state=state_,
            created=now, expected_start_time=now,
        )  # fmt: skip

    def start(self, deployment: str, parameters: Any) -> FlowRun:
        self.started = deployment
        return self._run("SCHEDULED")

    def read(self, run_id: str) -> FlowRun:
        self.looks += 1
        return self._run("RUNNING" if self.looks < 2 else self.end)


def service(answers: list[httpx.Response]) -> tuple[httpx.Client, list[httpx.Request]]:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return answers.pop(0)

    return httpx.Client(base_url="http://serving", transport=httpx.MockTransport(answer)), asked


def test_a_completed_run_passes() -> None:
    """It waits for the run's end."""
    runs: Any = FakeRuns("COMPLETED")
    assert "otter completed" in pipeline(runs, "movies", poll=0)
    assert runs.started == "pipeline/movies"


def test_a_failed_run_fails() -> None:
    """With the run's name, state and message."""
    runs: Any = FakeRuns("FAILED")
    with pytest.raises(RuntimeError, match="otter ended as Failed: no rows"):
        pipeline(runs, "movies", poll=0)


def test_a_model_is_asked_by_its_inputs() -> None:
    """One row, of the types and shapes that the model names."""
    outputs = {"model_version": "3", "outputs": [1]}
    client, asked = service([httpx.Response(200, json={"inputs": INPUTS}), httpx.Response(200, json=outputs)])
    assert "diabetes 3 answered" in prediction(client, "diabetes", poll=0)
    tensors = json.loads(asked[1].content)["inputs"]
    assert [tensor["shape"] for tensor in tensors] == [[1, 1], [1, 1], [1, 2, 2]]
    assert [tensor["data"] for tensor in tensors] == [[0], [""], [0, 0, 0, 0]]


def test_a_model_is_asked_what_is_given() -> None:
    """By the names of its inputs; a value that it has no input for is another model's."""
    client, asked = service([httpx.Response(200, json={"inputs": INPUTS}), httpx.Response(200, json={"outputs": [1]})])
    prediction(client, "diabetes", {"age": 33, "height": 170}, poll=0)
    tensors = json.loads(asked[1].content)["inputs"]
    assert [tensor["data"] for tensor in tensors] == [[33], [""], [0, 0, 0, 0]]


def test_the_charts_inputs_are_taken_by_its_model() -> None:
    """Measurements of nobody: a model of patients refuses a blood pressure of 0."""
    from sluice.use_cases.diabetes.steps import COLUMNS

    given = yaml.safe_load((CHART / "values.yaml").read_text())["tests"]["inputs"]
    assert given.keys() == {column.name for column in COLUMNS}
    assert all(column.low <= given[column.name] <= column.high for column in COLUMNS)


def test_a_model_that_is_not_there_yet_is_waited_for() -> None:
    """Serving follows the registry, some seconds behind."""
    client, _ = service(
        [httpx.Response(404), httpx.Response(200, json={"inputs": []}), httpx.Response(200, json={"outputs": []})]
    )
    assert "answered" in prediction(client, "diabetes", poll=0)
    client, _ = service([httpx.Response(404, text="no champion")])
    with pytest.raises(ServiceUnavailableError, match="no champion"):
        prediction(client, "diabetes", seconds=-1)


def test_a_refusal_is_not_tried_again() -> None:
    """A wrong key or a request that the model cannot take will be that later too."""
    client, _ = service([httpx.Response(401, text="key")])
    with pytest.raises(RuntimeError, match="401"):
        prediction(client, "diabetes", poll=0)
