"""What the Prefect worker puts in order before it starts."""

import json
import os
import subprocess
import sys
from typing import Any

import httpx

from deployments.local.worker import crash_lost_runs


class FakePrefect:
    """Answers like Prefect's API: runs that are under way, and their states."""

    def __init__(self, *runs: str) -> None:
        self.runs = runs
        self.states: dict[str, dict[str, Any]] = {}
        self.query: dict[str, Any] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        if request.url.path.endswith("/flow_runs/filter"):
            self.query = body
            return httpx.Response(200, json=[{"id": run} for run in self.runs])
        self.states[request.url.path.split("/")[-2]] = body["state"]
        return httpx.Response(201, json={})

    @property
    def client(self) -> httpx.Client:
        return httpx.Client(base_url="http://prefect/api", transport=httpx.MockTransport(self))


def test_run_without_a_process_is_crashed() -> None:
    """A run whose process and worker were both killed does not stay Running; the state says what to do."""
    prefect = FakePrefect("dead")
    with prefect.client as client:
        assert crash_lost_runs(client, "sluice") == ["dead"]
    assert prefect.states["dead"]["type"] == "CRASHED"
    assert "Run it again" in prefect.states["dead"]["message"]


def test_run_with_a_process_is_left_alone() -> None:
    """A run that another worker of this machine carries goes on."""
    prefect = FakePrefect("alive", "dead")
    env = {**os.environ, "PREFECT__FLOW_RUN_ID": "alive"}
    with subprocess.Popen([sys.executable, "-c", "input()"], env=env, stdin=subprocess.PIPE) as process:
        with prefect.client as client:
            assert crash_lost_runs(client, "sluice") == ["dead"]
        process.communicate(b"\n")
    assert set(prefect.states) == {"dead"}


def test_only_this_pools_runs_are_looked_at() -> None:
    """Runs that wait for a start, and those of other pools, are not touched."""
    prefect = FakePrefect()
    with prefect.client as client:
        assert crash_lost_runs(client, "mine") == []
    assert prefect.query["work_pools"] == {"name": {"any_": ["mine"]}}
    assert "SCHEDULED" not in prefect.query["flow_runs"]["state"]["type"]["any_"]
