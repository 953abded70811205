"""What the Prefect worker puts in order before it starts."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.local.worker import put_in_order


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
                return httpx.Response(200, json=[{"id": k, "work_pool_name": v} for k, v in self.runs.items()])
            case "POST", ["flow_runs", run, "set_state"]:
                self.states[run] = body["state"]
            case "POST", ["v2", "concurrency_limits", "decrement-with-lease"]:
                self.released.append(body["lease_id"])
            case "POST", ["v2", "concurrency_limits", "filter"]:
                return httpx.Response(200, json=[{"id": k, "active_slots": v} for k, v in self.slots.items()])
            case "PATCH", ["v2", "concurrency_limits", limit]:
                self.slots[limit] = body["active_slots"]
        return httpx.Response(200, json={})

    def put_in_order(self, leases: Path) -> list[str]:
        with httpx.Client(base_url="http://prefect/api", transport=self) as client:
            return put_in_order(client, "sluice", leases)


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
