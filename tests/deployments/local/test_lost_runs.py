"""What is put in order when a Prefect worker starts, and when the stack is stopped."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.local.lost_runs import STACK_STOPPED, WORKER_LOST, end_lost_runs, put_in_order
from sluice.runs import PrefectRuns
from sluice.settings import PrefectSettings, Settings


class FakePrefect(httpx.MockTransport):
    """Prefect's API with runs that are under way, given as id and pool, and one limit whose only slot is taken."""

    def __init__(self, **runs: str) -> None:
        super().__init__(self._answer)
        self.runs = runs
        self.states: dict[str, dict[str, Any]] = {}
        self.released: list[str] = []
        self.slots = {"limit-1": 1}

    def _answer(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        match request.method, request.url.path.removeprefix("/api").strip("/").split("/"):
            case "POST", ["flow_runs", "filter"]:
                assert "SCHEDULED" not in body["flow_runs"]["state"]["type"]["any_"], "those wait for their start"
                return httpx.Response(200, json=[_run(k, v) for k, v in self.runs.items()])
            case "POST", ["flow_runs", run, "set_state"]:
                self.states[run] = body["state"]
            case "POST", ["v2", "concurrency_limits", "decrement-with-lease"]:
                self.released.append(body["lease_id"])
            case "POST", ["v2", "concurrency_limits", "filter"]:
                return httpx.Response(200, json=[{"id": k, "active_slots": v} for k, v in self.slots.items()])
            case "PATCH", ["v2", "concurrency_limits", limit]:
                self.slots[limit] = body["active_slots"]
        return httpx.Response(200, json={})

    def put_in_order(self, leases: Path, message: str = WORKER_LOST) -> list[str]:
        with PrefectRuns("http://prefect/api", self) as runs:
            return [run.id for run in put_in_order(runs, "sluice", leases, message)]


def _run(run_id: str, pool: str) -> dict[str, Any]:
    now = "2026-11-21T05:00:00Z"
    described = {"id": run_id, "name": run_id, "flow_id": "f", "created": now, "expected_start_time": now}
    state = {"cancelled": "CANCELLING", "taken": "PENDING", "begun": "PENDING"}.get(run_id, "RUNNING")
    scheduled = {"auto_scheduled": run_id in {"taken", "begun"}, "run_count": int(run_id == "begun")}
    return {**described, "work_pool_name": pool, "state_type": state, **scheduled}


@pytest.fixture
def leases(tmp_path: Path) -> Path:
    """Two slots that runs hold, and the server's index beside them."""
    for holder in ("alive", "dead"):
        lease = {"id": f"lease-of-{holder}", "metadata": {"slots": 1, "holder": {"type": "flow_run", "id": holder}}}
        (tmp_path / f"lease-of-{holder}.json").write_text(json.dumps(lease))
    (tmp_path / "expirations.json").write_text("{}")
    (tmp_path / "half-written.json").write_text("{")
    return tmp_path


def test_run_without_a_process_is_crashed(leases: Path) -> None:
    """A run whose process and worker were both killed does not stay Running; the state says what to do."""
    prefect = FakePrefect(dead="sluice")
    assert prefect.put_in_order(leases) == ["dead"]
    assert prefect.states["dead"]["type"] == "CRASHED"
    assert "Run it again" in prefect.states["dead"]["message"]


def test_cancelled_run_without_a_process_is_cancelled(leases: Path) -> None:
    """Prefect refuses any other end for a run that is being cancelled: it would stay so for ever."""
    prefect = FakePrefect(cancelled="sluice", dead="sluice")
    prefect.put_in_order(leases)
    assert {run: state["type"] for run, state in prefect.states.items()} == {
        "cancelled": "CANCELLED",
        "dead": "CRASHED",
    }


def test_run_of_a_schedule_that_had_not_begun_waits_again(leases: Path) -> None:
    """A worker takes it before it is due; its time counts as missed, so that the schedule's policy decides."""
    prefect = FakePrefect(taken="sluice", begun="sluice")
    assert prefect.put_in_order(leases) == ["begun"]
    assert prefect.states["taken"]["type"] == "SCHEDULED"
    assert prefect.states["taken"]["state_details"] == {"scheduled_time": "2026-11-21T05:00:00+00:00"}
    assert prefect.states["begun"]["type"] == "CRASHED"


def test_stopping_the_stack_says_so(leases: Path) -> None:
    """A run that `sluice down` ended does not look like a fault."""
    prefect = FakePrefect(dead="sluice")
    prefect.put_in_order(leases, STACK_STOPPED)
    assert "sluice down" in prefect.states["dead"]["message"]


def test_another_machines_server_is_left_alone(tmp_path: Path) -> None:
    """Runs of a server elsewhere may have their processes elsewhere: it is not even asked."""
    assert end_lost_runs(Settings(home=tmp_path, prefect=PrefectSettings(url="http://prefect.invalid/api"))) == []


def test_run_with_a_process_is_left_alone(leases: Path) -> None:
    """A run that another worker of this machine carries goes on, and keeps what it holds."""
    prefect = FakePrefect(alive="sluice", dead="sluice")
    env = {**os.environ, "PREFECT__FLOW_RUN_ID": "alive"}
    with subprocess.Popen([sys.executable, "-c", "input()"], env=env, stdin=subprocess.PIPE) as process:
        assert prefect.put_in_order(leases) == ["dead"]
        process.communicate(b"\n")
    assert set(prefect.states) == {"dead"}
    assert prefect.released == ["lease-of-dead"]
    assert prefect.slots == {"limit-1": 1}


def test_nothing_under_way_holds_nothing(leases: Path) -> None:
    """After a crash of everything the next run does not wait for the locks of runs that are no more."""
    prefect = FakePrefect()
    assert prefect.put_in_order(leases) == []
    assert sorted(prefect.released) == ["lease-of-alive", "lease-of-dead"]
    assert prefect.slots == {"limit-1": 0}


def test_other_pools_are_left_alone(leases: Path) -> None:
    """A run of another pool may be on another machine: no process here says nothing about it."""
    prefect = FakePrefect(alive="elsewhere")
    assert prefect.put_in_order(leases) == []
    assert prefect.states == {}
    assert prefect.released == []
