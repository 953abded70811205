"""Prefect's HTTP API, as the command line uses it."""

import json
from typing import Any

import httpx
import pytest

from deployments.errors import DeploymentNotFoundError
from deployments.runs import FlowRun, PrefectRuns
from sluice.errors import ServiceUnavailableError

RUN = {"id": "r1", "name": "pipeline-movies", "flow_id": "f1", "created": "2026-11-21T05:00:00Z"}


class FakePrefect(httpx.MockTransport):
    """One deployment, ``pipeline/movies``. The first ``busy_starts`` starts get 503, as when SQLite is locked."""

    def __init__(self, busy_starts: int = 0) -> None:
        super().__init__(self._answer)
        self.busy_starts = busy_starts
        self.keys: list[str] = []
        self.parameters: dict[str, Any] = {}

    def _answer(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content or "{}")
        if path_ends(request, "/create_flow_run"):
            self.keys.append(body["idempotency_key"])
            self.parameters = body["parameters"]
            if len(self.keys) <= self.busy_starts:
                return httpx.Response(503, json={"exception_message": "Service Unavailable"})
            return httpx.Response(201, json=RUN)
        if path_ends(request, "/deployments/name/pipeline/movies"):
            return httpx.Response(200, json={"id": "d1", "parameters": {"use_case": "movies"}})
        if path_ends(request, "/deployments/filter"):
            return httpx.Response(200, json=[{"flow_id": "f1", "name": "movies"}])
        if path_ends(request, "/flows/f1"):
            return httpx.Response(200, json={"name": "pipeline"})
        return httpx.Response(404, json={"detail": "not found"})


def path_ends(request: httpx.Request, end: str) -> bool:
    return request.url.path.endswith(end)


def test_parameters_are_added_to_the_deployments() -> None:
    """A run keeps the deployment's own parameters; given ones come on top."""
    prefect = FakePrefect()
    with PrefectRuns("http://prefect/api", prefect) as runs:
        assert runs.start("pipeline/movies", {"params": {"k": 5}}).id == "r1"
    assert prefect.parameters == {"use_case": "movies", "params": {"k": 5}}


def test_busy_server_is_asked_again_for_the_same_run() -> None:
    """503 passes; asking again cannot start a second run."""
    prefect = FakePrefect(busy_starts=3)
    with PrefectRuns("http://prefect/api", prefect) as runs:
        assert runs.start("pipeline/movies", {}).id == "r1"
    assert len(prefect.keys) == 4
    assert len(set(prefect.keys)) == 1


def test_unknown_deployment_names_the_known() -> None:
    """A typo is answered with what Prefect has, and how to register more."""
    with (
        PrefectRuns("http://prefect/api", FakePrefect()) as runs,
        pytest.raises(DeploymentNotFoundError, match=r"pipeline/movies.*sluice deploy"),
    ):
        runs.start("pipeline/movie", {})


def test_silent_server_is_one_line() -> None:
    """No server: the error names the address and the command that starts it."""
    with (
        PrefectRuns("http://127.0.0.1:9/api") as runs,
        pytest.raises(ServiceUnavailableError, match=r"http://127.0.0.1:9/api.*sluice up"),
    ):
        runs.read("r1")


def test_seconds_count_from_the_start() -> None:
    """Waiting and running are told apart."""
    run = FlowRun.model_validate(
        {
            **RUN,
            "state_type": "COMPLETED",
            "start_time": "2026-11-21T05:00:02Z",
            "end_time": "2026-11-21T05:00:05.5Z",
        }
    )
    assert (run.wait_seconds, run.seconds) == (2.0, 3.5)
    assert run.final
    assert run.completed
