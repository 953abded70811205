"""Prefect's HTTP API, as the command line and the service use it."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from sluice.errors import DeploymentNotFoundError, RunNotFoundError, ServiceRefusedError, ServiceUnavailableError
from sluice.runs import FlowRun, PrefectRuns
from sluice.settings import PrefectSettings

RUN = {"id": "r1", "name": "pipeline-movies", "flow_id": "f1", "created": "2026-11-21T05:00:00Z"}
RUN["expected_start_time"] = RUN["created"]


class FakePrefect(httpx.MockTransport):
    """One deployment, ``pipeline/movies``, and one run of it, ``r1``, in the given state.

    The first ``busy_starts`` starts get 503, as when SQLite is locked.
    """

    def __init__(self, busy_starts: int = 0, state: str = "RUNNING", tasks: dict[str, str] | None = None) -> None:
        super().__init__(self._answer)
        self.busy_starts = busy_starts
        self.state = state
        self.tasks = tasks or {}
        self.asked: list[str] = []
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
            return httpx.Response(200, json={"id": "d1", "parameters": {"use_case": "movies"}, "tags": []})
        if path_ends(request, "/deployments/filter"):
            return httpx.Response(200, json=[{"flow_id": "f1", "name": "movies"}])
        if path_ends(request, "/flows/f1"):
            return httpx.Response(200, json={"name": "pipeline"})
        if path_ends(request, "/flow_runs/r1"):
            return httpx.Response(200, json={**RUN, "state_type": self.state})
        if path_ends(request, "/flow_runs/r1/set_state"):
            self.asked.append(body["state"]["type"])
            return httpx.Response(201, json={})
        if path_ends(request, "/task_runs/filter"):
            tasks = [
                {"name": name, "state_name": state, "state_type": "RUNNING" if state == "Running" else "COMPLETED"}
                for name, state in self.tasks.items()
            ]
            return httpx.Response(200, json=tasks)
        if path_ends(request, "/flow_runs/no-id"):
            return httpx.Response(422, json={"exception_message": "Input should be a valid UUID"})
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


@pytest.mark.parametrize(
    ("state", "asked"), [("SCHEDULED", ["CANCELLED"]), ("RUNNING", ["CANCELLING"]), ("COMPLETED", [])]
)
def test_cancelling_asks_for_what_the_state_allows(state: str, asked: list[str]) -> None:
    """A run with a process is ended by its worker; one without is over at once; one that is over stays as it is."""
    prefect = FakePrefect(state=state)
    with PrefectRuns("http://prefect/api", prefect) as runs:
        runs.cancel("r1")
    assert prefect.asked == asked


@pytest.mark.parametrize("run_id", ["r2", "no-id"])
def test_unknown_run_is_named(run_id: str) -> None:
    """A run that Prefect does not have, or whose id is none, is one line that says how to find the others."""
    with (
        PrefectRuns("http://prefect/api", FakePrefect()) as runs,
        pytest.raises(RunNotFoundError, match=rf"{run_id}.*sluice runs"),
    ):
        runs.read(run_id)


@pytest.mark.parametrize(
    ("tasks", "unchanged"),
    [
        ({"plan-1": "Completed", "read-2": "Cached", "write-3": "Cached"}, True),
        ({"plan-1": "Completed", "read-2": "Cached", "gate-3": "Completed"}, False),
        ({"plan-1": "Completed", "read-2": "Running"}, None),
        ({"plan-1": "Completed", "planets-2": "Cached"}, True),
        ({"plan-1": "Completed"}, None),
    ],
)
def test_stage_is_unchanged_when_all_came_from_the_cache(tasks: dict[str, str], unchanged: bool | None) -> None:
    """The plan is always made; the rest decides, once Prefect has heard of all of it."""
    with PrefectRuns("http://prefect/api", FakePrefect(tasks=tasks)) as runs:
        assert runs.unchanged("r1") is unchanged


def test_the_server_s_password_is_sent() -> None:
    """A server that asks for one gets the setting's; its refusal names the setting and not the password."""
    asked: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("authorization"))
        return httpx.Response(401, json={"exception_message": "Unauthorized"})

    settings = PrefectSettings(auth=SecretStr("sluice:a long password"))
    with (
        PrefectRuns(settings.url, httpx.MockTransport(answer), settings.account) as runs,
        pytest.raises(ServiceRefusedError, match="SLUICE_PREFECT__AUTH") as raised,
    ):
        runs.read("r1")
    assert asked == ["Basic c2x1aWNlOmEgbG9uZyBwYXNzd29yZA=="]
    assert "a long password" not in str(raised.value)


def test_every_client_of_prefect_is_made_from_the_settings() -> None:
    """One that is made from the address alone is refused as soon as somebody sets a password."""
    root = Path(__file__).parents[2]
    rooms = ("sluice", "flows", "serving", "observability", "deployments")
    modules = [path for room in rooms for path in (root / room).rglob("*.py")]
    found = [path.name for path in modules if re.search(r"PrefectRuns\([^)]", path.read_text(encoding="utf-8"))]
    assert found == []
