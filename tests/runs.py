"""Runs of the test use case ``tiny`` on a real stack, from outside, as a client of Prefect's API."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import distributed
from tiny.counting import CountExecuted, counted

from sluice.runs import FlowRun, PrefectRuns
from tests.conftest import Stack


def start(stack: Stack, deployment: str, **params: Any) -> str:
    """Start a run with parameters for the use case; gives the run's id."""
    with PrefectRuns(stack.settings.prefect.url) as runs:
        return runs.start(deployment, {"params": params}).id


def wait(stack: Stack, run_id: str, timeout: float = 280) -> FlowRun:
    """Until the run has a final state."""
    deadline = time.monotonic() + timeout
    with PrefectRuns(stack.settings.prefect.url) as runs:
        while not (found := runs.read(run_id)).final:
            if time.monotonic() > deadline:
                raise AssertionError(f"{found.name} is still {found.state_name} after {timeout:.0f} s")
            time.sleep(0.3)
    return found


def run(stack: Stack, deployment: str, timeout: float = 280, **params: Any) -> FlowRun:
    return wait(stack, start(stack, deployment, **params), timeout)


def stages(stack: Stack, run_id: str) -> dict[str, FlowRun]:
    """The stage runs of a pipeline run, by flow name."""
    with PrefectRuns(stack.settings.prefect.url) as runs:
        return {runs.flow_name(child.flow_id): child for child in runs.children(run_id)}


def task_states(stack: Stack, run_id: str) -> dict[str, str]:
    """The state names of a run's tasks, by task name."""
    with PrefectRuns(stack.settings.prefect.url) as runs:
        found = runs.tasks(run_id)
    return {task["name"].rsplit("-", 1)[0]: task["state_name"] for task in found}


def log(stack: Stack, run_id: str, level: int = 20, needle: str = "", timeout: float = 15) -> str:
    """The run's log, once it has ``needle``: Prefect sends lines in batches."""
    deadline = time.monotonic() + timeout
    with PrefectRuns(stack.settings.prefect.url) as runs:
        while True:
            lines = "\n".join(runs.log([run_id], level=level, limit=200))
            if needle in lines or time.monotonic() > deadline:
                return lines
            time.sleep(0.5)


@contextmanager
def counting(stack: Stack) -> Iterator[Counter[str]]:
    """The tasks that workers executed during the block; complete after it."""
    executed: Counter[str] = Counter()
    with distributed.Client(stack.settings.dask.address) as client:
        client.register_plugin(CountExecuted())
        yield executed
        executed.update(client.run_on_scheduler(counted))
        client.unregister_scheduler_plugin("count-executed")


def marker(path: Path) -> str:
    """A file that exists, for the parameters of ``tiny`` that look at one."""
    path.touch()
    return str(path)
