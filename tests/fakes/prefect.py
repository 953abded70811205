"""Prefect's HTTP API over lists in memory, as far as runs are read from it. Tests of the stack have the real one."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from sluice.runs import PrefectRuns

START = datetime(2026, 11, 21, 5, 0, tzinfo=UTC)
Answer = Callable[[dict[str, Any]], httpx.Response | None]


def id_of(number: int) -> str:
    """A run's id; a higher number is a higher id."""
    return str(UUID(int=number))


class FakePrefect(httpx.MockTransport):
    """One deployment, ``pipeline/movies``. It sorts by time only: what has one time comes as it was added.

    Attributes:
        runs, logs, tasks, artifacts: what it answers with.
        asked: paths, in their order.
        created: bodies of runs that were asked for.
        refusal: what it says to a new run instead of making it.
    """

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.runs: list[dict[str, Any]] = []
        self.logs: list[dict[str, Any]] = []
        self.tasks: list[dict[str, Any]] = []
        self.artifacts: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.created: list[dict[str, Any]] = []
        self.refusal: httpx.Response | None = None
        self.silent = False
        self.parameters: dict[str, Any] = {"use_case": "movies"}
        self.schema: dict[str, Any] = {
            "properties": {"use_case": {"type": "string"}, "fresh": {"type": "boolean"}, "params": {"type": "object"}},
            "required": ["use_case"],
        }

    def client(self) -> PrefectRuns:
        return PrefectRuns("http://prefect/api", self)

    def run(self, number: int, seconds: float = 0, state: str = "COMPLETED", **fields: Any) -> dict[str, Any]:
        """Add a run that is due so many seconds after `START`."""
        due = (START + timedelta(seconds=seconds)).isoformat()
        run = {
            "id": id_of(number),
            "name": f"run-{number}",
            "flow_id": "f1",
            "deployment_id": "d1",
            "created": due,
            "expected_start_time": due,
            "state_type": state,
            "state_name": state.capitalize(),
            "parameters": {"use_case": "movies"},
            "parent": None,
            **fields,
        }
        self.runs.append(run)
        return run

    def log(self, number: int, seconds: float, run: int = 1, level: int = 20) -> None:
        """Add a line that was said so many seconds after `START`."""
        at = (START + timedelta(seconds=seconds)).isoformat()
        line = {"id": id_of(number), "timestamp": at, "level": level, "message": f"line {number}", "name": "prefect"}
        self.logs.append({**line, "flow_run_id": id_of(run), "task_run_id": None})

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if self.silent:
            raise httpx.ConnectError("refused")
        path = request.url.path.removeprefix("/api")
        self.asked.append(path)
        body: dict[str, Any] = json.loads(request.content or "{}")
        match path.strip("/").split("/"):
            case ["flow_runs", "filter"]:
                return _page(self._runs(body), body, "expected_start_time")
            case ["flow_runs", id, "set_state"]:
                (run,) = (one for one in self.runs if one["id"] == id)
                run |= {"state_type": body["state"]["type"], "state_name": body["state"]["name"]}
                return httpx.Response(201, json={"status": "ACCEPT"})
            case ["flow_runs", id]:
                found = [one for one in self.runs if one["id"] == id]
                return httpx.Response(200, json=found[0]) if found else httpx.Response(404, json={})
            case ["logs", "filter"]:
                return _page(self._logs(body["logs"]), body, "timestamp")
            case ["task_runs", "filter"]:
                wanted = body["task_runs"].get("flow_run_id", {}).get("any_")
                tasks = [task for task in self.tasks if wanted is None or task["flow_run_id"] in wanted]
                return _page(tasks, body, "id")
            case ["artifacts", "filter"]:
                return _page(self.artifacts, body, "created")
            case ["deployments", "filter"]:
                deployment = {"id": "d1", "flow_id": "f1", "name": "movies", "tags": ["sluice"], "paused": False}
                more = {"description": "", "schedules": [], "parameters": self.parameters}
                wanted = [body.get(kind, {}).get("name", {}).get("any_") for kind in ("flows", "deployments")]
                there = wanted in ([None, None], [["pipeline"], ["movies"]])
                every = [{**deployment, **more, "parameter_openapi_schema": self.schema}] if there else []
                return _page(every, body, "id")
            case ["deployments", "d1", "create_flow_run"]:
                return self._create(body)
            case ["flows", "f1"]:
                return httpx.Response(200, json={"name": "pipeline"})
        raise AssertionError(f"nobody asks for {path}")

    def _runs(self, body: dict[str, Any]) -> Iterable[dict[str, Any]]:
        wanted = body.get("flow_runs", {})
        due = wanted.get("expected_start_time", {})
        types = wanted.get("state", {}).get("type", {}).get("any_")
        for run in self.runs:
            at = run["expected_start_time"]
            if (
                due.get("after_", "") <= at <= due.get("before_", "9")
                and run["id"] in wanted.get("id", {}).get("any_", [run["id"]])
                and (types is None or run["state_type"] in types)
                and run["parent"] in wanted.get("parent_flow_run_id", {}).get("any_", [run["parent"]])
            ):
                yield run

    def _logs(self, wanted: dict[str, Any]) -> Iterable[dict[str, Any]]:
        for line in self.logs:
            if (
                line["timestamp"] >= wanted.get("timestamp", {}).get("after_", "")
                and line["level"] >= wanted.get("level", {}).get("ge_", 0)
                and line["flow_run_id"] in wanted["flow_run_id"]["any_"]
            ):
                yield line

    def _create(self, body: dict[str, Any]) -> httpx.Response:
        self.created.append(body)
        if self.refusal is not None:
            return self.refusal
        for run in self.runs:
            if run.get("idempotency_key") == body["idempotency_key"]:
                return httpx.Response(200, json=run)
        made = self.run(len(self.runs) + 1, state="SCHEDULED", parameters=body["parameters"])
        made["idempotency_key"] = body["idempotency_key"]
        return httpx.Response(201, json=made)


def _page(found: Iterable[dict[str, Any]], body: dict[str, Any], time: str) -> httpx.Response:
    down = str(body.get("sort", "")).endswith("DESC")
    rows = sorted(found, key=lambda one: str(one.get(time)), reverse=down)
    offset = body.get("offset", 0)
    return httpx.Response(200, json=rows[offset : offset + body.get("limit", 200)])
