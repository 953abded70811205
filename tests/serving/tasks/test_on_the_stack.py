"""Tasks and workers of the real engines, over HTTP and from the command line."""

import json
import os
import time
from collections.abc import Iterator

import httpx
import pytest

from tests import runs
from tests.conftest import Stack
from tests.serving.fakes import eventually

pytestmark = pytest.mark.integration


@pytest.fixture
def client(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.record.serving_url, timeout=30, trust_env=False) as client:
        yield client


def test_a_run_is_followed_in_the_table_of_tasks(stack: Stack, client: httpx.Client) -> None:
    """While it runs and after it: the tasks of a run with worker and arguments, and the names they are grouped by."""
    before = done(client)
    run = runs.run(stack, "ingest/tiny", offset=1_000_000 + int(time.time()), rows=100)
    deadline = time.monotonic() + 240
    while True:
        tasks = client.get("/tasks", params={"run": run.id}).json()["tasks"]
        if len(tasks) == 6 and all(task["succeeded"] for task in tasks):
            break
        assert time.monotonic() < deadline, tasks
        time.sleep(0.3)
    newest, oldest = tasks[0], tasks[-1]
    assert (newest["name"], oldest["name"]) == ("ingest.write", "ingest.plan")
    assert (oldest["arguments"]["use_case"], oldest["runtime"] > 0) == ("tiny", True)
    assert newest["worker"].startswith("tcp://")
    eventually(lambda: done(client) > before)  # workers tell of it with their heartbeats
    names = {one["name"]: one for one in client.get("/tasks/names").json()}
    assert names["ingest.write"]["count"] >= 1
    listed = json.loads(stack.sluice("tasks", "--run", run.id, "--name", "write", "--json").stdout)
    assert [task["id"] for task in listed] == [newest["id"]]
    shown = stack.sluice("tasks", "--run", run.id)
    assert shown.returncode == 0, shown.stdout
    assert "ingest.validate" in shown.stdout
    assert stack.sluice("tasks", "--run", run.id, "--csv").stdout.count("ingest.") >= 6


def done(client: httpx.Client) -> int:
    """How many tasks Dask's workers have done."""
    return sum(worker["tasks_done"] for worker in client.get("/workers").json()["dask"])


def test_workers_are_those_of_the_stack(stack: Stack, client: httpx.Client) -> None:
    """Prefect's one, Dask's two with their processes, memory and heartbeats; the command line shows the same."""
    found = client.get("/workers").json()
    assert found["problems"] == []
    assert [(one["name"], one["pool"], one["status"]) for one in found["prefect"]] == [("local", "sluice", "ONLINE")]
    assert len(found["dask"]) == 2
    for worker in found["dask"]:
        os.kill(worker["pid"], 0)  # it is there
        assert worker["address"].startswith("tcp://")
        assert 0 < worker["memory"]["used"] < worker["memory"]["limit"]
    done = stack.sluice("workers")
    assert done.returncode == 0, done.stdout
    assert all(str(worker["pid"]) in done.stdout for worker in found["dask"])
    assert json.loads(stack.sluice("workers", "--json").stdout)["problems"] == []
