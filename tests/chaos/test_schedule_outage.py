"""Schedules across an outage of several of their times: a real server and worker that are really away."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deployments import catch_up
from sluice.runs import FlowRun, PrefectRuns
from sluice.schedule import Schedule
from tests import feed
from tests.chaos.processes import prefect_workers
from tests.conftest import INSTALLED, Stack, start_stack

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.slow]

EVERY = 20
GRACE = 8
OUTAGE = timedelta(seconds=3.5 * EVERY)
POLICIES = ("none", "latest", "all")


@pytest.fixture
def scheduled(tmp_path: Path) -> Iterator[Stack]:
    """A stack of its own with three use cases whose ingest is due every 20 s, one for each policy."""
    (tmp_path / "rows.csv").write_text("id,name\n1,a\n")
    for policy in POLICIES:
        schedule = {"interval": EVERY, "catch_up": policy, "grace": GRACE}
        feed.install(
            tmp_path / INSTALLED,
            f"{tmp_path}/rows.csv",
            f"due_{policy}",
            f"schedules: {json.dumps({'ingest': schedule})}\n",
        )
    stack = start_stack(tmp_path)
    try:
        yield stack
    finally:
        done = stack.sluice("down")
        assert done.returncode == 0, done.stdout


def runs_of(stack: Stack, policy: str, after: datetime, before: datetime) -> list[FlowRun]:
    """The schedule's runs that were due in between."""
    between = {"after_": after.isoformat(), "before_": before.isoformat()}
    with PrefectRuns(stack.settings.prefect.url) as prefect:
        (found,) = [one for one in catch_up.schedules(prefect) if one.deployment == f"ingest/due_{policy}"]
        return prefect.runs_of(found.id, expected_start_time=between)


def completed(stack: Stack, policy: str, after: datetime, before: datetime) -> Counter[datetime]:
    """How often each of the due times was done."""
    found = runs_of(stack, policy, after, before)
    return Counter(run.expected_start_time.replace(microsecond=0) for run in found if run.completed)


def wait_for(stack: Stack, policy: str, due: list[datetime], seconds: float) -> None:
    """Until each of the due times was done."""
    deadline = time.monotonic() + seconds
    while missing := set(due) - set(completed(stack, policy, due[0] - timedelta(seconds=1), due[-1])):
        assert time.monotonic() < deadline, f"{policy}: nobody did {sorted(missing)}"
        time.sleep(1)


def as_the_policies_say(stack: Stack, begun: datetime, ended: datetime) -> None:
    """What happened to the times that passed between ``begun`` and ``ended``, once everything is up again."""
    # The last moments are no miss: a run that is due then may be late by its grace.
    due = Schedule(interval=EVERY).between(begun, ended - timedelta(seconds=GRACE + 2))
    assert len(due) >= 2
    following = Schedule(interval=EVERY).between(ended, datetime.now(UTC) + timedelta(seconds=2 * EVERY))[-1]
    wait_for(stack, "all", due, 120)
    # A later one of the others shows that they go on.
    for policy in ("latest", "none"):
        wait_for(stack, policy, [following], 90)
    first, last = begun, due[-1] + timedelta(seconds=1)
    assert completed(stack, "all", first, last) == dict.fromkeys(due, 1)
    assert not completed(stack, "none", first, last)
    assert not completed(stack, "latest", first, due[-2] + timedelta(seconds=1))
    for policy in POLICIES:
        open_ones = [run for run in runs_of(stack, policy, first, last) if not run.final]
        assert not open_ones, open_ones


def test_the_whole_stack_is_down_across_several_times(scheduled: Stack) -> None:
    """Nobody made runs for these times: all of them are caught up with, or none, as each policy says."""
    due = [next(Schedule(interval=EVERY).ticks(datetime.now(UTC)))]
    for policy in POLICIES:
        wait_for(scheduled, policy, due, 90)
    assert scheduled.sluice("down").returncode == 0
    begun = datetime.now(UTC)  # what was under way has crashed and is nobody's miss
    time.sleep(max(0.0, (begun + OUTAGE - datetime.now(UTC)).total_seconds()))
    ended = datetime.now(UTC)
    as_the_policies_say(start_stack(scheduled.root), begun, ended)


def test_the_worker_alone_is_away_across_several_times(scheduled: Stack) -> None:
    """The server made runs that nobody took: the worker starts what is wanted, the rest is dropped and counted."""
    workers = prefect_workers(scheduled)
    begun = datetime.now(UTC)
    for worker in workers:
        worker.suspend()
    try:
        time.sleep(OUTAGE.total_seconds())
    finally:
        ended = datetime.now(UTC)
        for worker in workers:
            worker.resume()
    as_the_policies_say(scheduled, begun, ended)
    told = scheduled.sluice("schedules", "list", "--json")
    dropped = {line["deployment"]: line["dropped"] for line in json.loads(told.stdout)}
    assert dropped["ingest/due_all"] == 0
    assert dropped["ingest/due_none"] >= 2
    assert dropped["ingest/due_latest"] >= 2
