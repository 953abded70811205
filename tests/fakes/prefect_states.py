"""A Prefect server in memory as the exporter reads it: runs, the history of their states, deployments, work pools."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx

from sluice.runs import PrefectRuns

START = datetime(2026, 11, 21, 5, 0, tzinfo=UTC)


class FakeStates(httpx.MockTransport):
    """Attributes:
    now: seconds after `START`, by the server's clock.
    loses_events: what happens is not in the history.
    silent: it does not answer.
    """

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.runs: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.deployments: dict[str, dict[str, Any]] = {}
        self.pools: list[dict[str, Any]] = []
        self.now = 0.0
        self.loses_events = self.silent = False
        self.asked: list[str] = []
        self._states = 0

    def client(self) -> PrefectRuns:
        return PrefectRuns("http://prefect/api", self)

    def deploy(self, id: str, flow: str = "train", **fields: Any) -> None:
        """A deployment ``<flow>/<id>``."""
        made = {"id": id, "flow_id": flow, "name": id, "created": at(-3600), "paused": False, "schedules": []}
        self.deployments[id] = {**made, **fields}

    def enter(self, run: str, type: str, name: str = "", deployment: str = "movies") -> None:
        """A run enters a state now; it is made if there is none."""
        self._states += 1
        moment, state_id = at(self.now), f"state-{self._states}"
        known = self.runs.setdefault(
            run,
            {
                "id": run, "name": f"name of {run}", "deployment_id": deployment, "created": moment, "start_time": None,
                "expected_start_time": moment, "next_scheduled_start_time": None, "end_time": None,
                "run_count": 0, "total_run_time": 0.0, "state": None,
            },
        )  # fmt: skip
        if known["state"] and known["state"]["type"] == "RUNNING":
            known["total_run_time"] += self.now - seconds(known["state"]["timestamp"])
        name = name or type.capitalize()
        state = {"id": state_id, "timestamp": moment, "type": type, "name": name}
        known |= {"state_id": state_id, "state_type": type, "state_name": name, "state": state}
        final = type in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
        known["run_count"] += type == "RUNNING"
        if type == "RUNNING" or final:  # of one that never began, its end
            known["start_time"] = known["start_time"] or moment
        known["end_time"] = (known["end_time"] or moment) if final else None
        if not self.loses_events:
            resource = {
                "prefect.resource.id": f"prefect.flow-run.{run}", "prefect.resource.name": known["name"],
                "prefect.state-type": type, "prefect.state-name": name,
            }  # fmt: skip
            related = [{"prefect.resource.id": f"prefect.deployment.{deployment}"}]
            event = {"id": state_id, "occurred": moment, "event": f"prefect.flow-run.{name}"}
            self.events.append({**event, "resource": resource, "related": related})

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if self.silent:
            raise httpx.ConnectError("refused")
        path = request.url.path.removeprefix("/api")
        self.asked.append(path)
        body: dict[str, Any] = json.loads(request.content or "{}")
        match path.strip("/").split("/"):
            case ["health"]:
                when = format_datetime(START + timedelta(seconds=self.now), usegmt=True)
                return httpx.Response(200, json=True, headers={"date": when})
            case ["events", "filter"]:
                return httpx.Response(200, json=self._history(body["filter"]))
            case ["flow_runs", "filter"]:
                found = [run for run in self.runs.values() if _matches(run, body["flow_runs"])]
                if body["sort"] == "END_TIME_DESC":
                    found.sort(key=lambda run: str(run["end_time"]), reverse=True)
            case ["deployments", "filter"]:
                found = list(self.deployments.values())
            case ["flows", id]:
                return httpx.Response(200, json={"name": id})
            case ["work_pools", "filter"]:
                found = self.pools
            case ["work_pools", name, "workers", "filter"]:
                found = next(pool["workers"] for pool in self.pools if pool["name"] == name)
            case _:
                raise AssertionError(f"nobody asks for {path}")
        offset = body.get("offset", 0)
        return httpx.Response(200, json=found[offset : offset + body["limit"]])

    def _history(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        excluded, since = set(wanted["event"]["exclude_name"]), datetime.fromisoformat(wanted["occurred"]["since"])
        found = [
            event
            for event in self.events
            if event["event"] not in excluded and datetime.fromisoformat(event["occurred"]) >= since
        ]
        return {"events": found, "total": len(found), "next_page": None}


def at(seconds: float) -> str:
    """A moment so many seconds after `START`, as Prefect writes it."""
    return (START + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def seconds(moment: str) -> float:
    """After `START`; what `at` was given."""
    return (datetime.fromisoformat(moment) - START).total_seconds()


def _matches(run: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    types = wanted.get("state", {}).get("type", {}).get("any_")
    if types is not None and run["state_type"] not in types:
        return False
    for field in ("id", "deployment_id"):
        if field in wanted and run[field] not in wanted[field]["any_"]:
            return False
    for field in ("start_time", "end_time", "next_scheduled_start_time"):
        bounds = wanted.get(field, {})
        value = run[field]
        if bounds and value is None:
            return False
        if "after_" in bounds and datetime.fromisoformat(value) < datetime.fromisoformat(bounds["after_"]):
            return False
        if "before_" in bounds and datetime.fromisoformat(value) > datetime.fromisoformat(bounds["before_"]):
            return False
    return True
