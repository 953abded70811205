"""A Prefect server in memory: what is under way, and what ended when. The tests of the stack have a real one."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from sluice.runs import PrefectRuns

START = datetime(2026, 11, 21, 5, 0, tzinfo=UTC)


class FakeHistory(httpx.MockTransport):
    """One deployment, ``train/movies``. ``asked`` has the paths that were asked for."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.runs: dict[str, dict[str, Any]] = {}
        self.tasks: dict[str, dict[str, Any]] = {}
        self.artifacts: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.silent = False

    def client(self) -> PrefectRuns:
        return PrefectRuns("http://prefect/api", self)

    def run(self, id: str, state: str = "COMPLETED", ended: float | None = 60, **fields: Any) -> None:
        """Add or change a run; ``ended`` is in seconds after `START`, and where it has none it has not."""
        self.runs[id] = {
            "id": id,
            "name": f"train-{id}",
            "flow_id": "f1",
            "deployment_id": "d1",
            "created": at(0),
            "updated": f"{state} {len(self.asked)}",
            "expected_start_time": at(0),
            "start_time": at(1),
            "end_time": None if ended is None else at(ended),
            "state_type": state,
            "state_name": state.capitalize(),
            "parameters": {"use_case": "movies"},
            "tags": [],
            **fields,
        }

    def task(self, id: str, run: str, name: str = "fit", state: str = "Completed", **fields: Any) -> dict[str, Any]:
        """Add or change a task run."""
        key = f"{id}0000"
        kind = {"Cached": "COMPLETED", "TimedOut": "FAILED"}.get(state, state.upper())
        self.tasks[id] = {
            "id": id,
            "name": f"{name}-{key[:3]}",
            "flow_run_id": run,
            "task_key": f"{name}-1",
            "dynamic_key": key,
            "task_inputs": {},
            "created": at(2),
            "expected_start_time": at(2),
            "start_time": at(3),
            "end_time": at(5) if kind in {"COMPLETED", "FAILED"} else None,
            "total_run_time": 2.0,
            "estimated_run_time": 2.5,
            "run_count": 1,
            "state_type": kind,
            "state_name": state,
            "state": {"timestamp": at(5), "message": None, "state_details": {}},
            **fields,
        }
        return self.tasks[id]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if self.silent:
            raise httpx.ConnectError("refused")
        path = request.url.path.removeprefix("/api")
        self.asked.append(path)
        body: dict[str, Any] = json.loads(request.content or "{}")
        match path.strip("/").split("/"):
            case ["flow_runs", "filter"]:
                found = [run for run in self.runs.values() if _matches(run, body["flow_runs"])]
            case ["task_runs", "filter"]:
                wanted = body["task_runs"]
                runs, ids = (wanted.get(name, {}).get("any_") for name in ("flow_run_id", "id"))
                found = [
                    task
                    for task in self.tasks.values()
                    if (runs is None or task["flow_run_id"] in runs) and (ids is None or task["id"] in ids)
                ]
            case ["artifacts", "filter"]:
                found = self.artifacts
            case ["deployments", "filter"]:
                found = [{"id": "d1", "flow_id": "f1", "name": "movies"}]
            case ["flows", "f1"]:
                return httpx.Response(200, json={"name": "train"})
            case ["flows", "f0"]:
                return httpx.Response(200, json={"name": "pipeline"})
            case _:
                raise AssertionError(f"nobody asks for {path}")
        return httpx.Response(200, json=found[body["offset"] :][: body["limit"]])


def at(seconds: float) -> str:
    """A moment so many seconds after `START`, as Prefect writes it."""
    return (START + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def _matches(run: dict[str, Any], wanted: dict[str, Any]) -> bool:
    if "id" in wanted and run["id"] not in wanted["id"]["any_"]:
        return False
    if "state" in wanted:
        types, names = (wanted["state"].get(name, {}).get("any_", []) for name in ("type", "name"))
        if run["state_type"] not in types and run["state_name"] not in names:
            return False
    if "end_time" in wanted:
        if run["end_time"] is None:
            return False
        ended = datetime.fromisoformat(run["end_time"])
        after, before = (wanted["end_time"].get(name) for name in ("after_", "before_"))
        return not (
            (after and ended < datetime.fromisoformat(after)) or (before and ended > datetime.fromisoformat(before))
        )
    return True
