"""Schedules across an outage of several of their times: a real server and worker that are really away."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from deployments import catch_up
from sluice.runs import FlowRun, PrefectRuns
from sluice.schedule import Schedule
from tests import feed
from tests.chaos.processes import prefect_workers
from tests.conftest import INSTALLED, Stack, start_stack

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.slow, pytest.mark.rare, pytest.mark.waits]

# Three of these, side by side, have to fit on a small machine that does something else as well.
EVERY = 40
# What is left of it when three have started at once must be enough for one in six, even on a slow day.
GRACE = 20
OUTAGE = timedelta(seconds=3 * EVERY)
POLICIES = ("none", "latest", "all")


@pytest.fixture(scope="module")
def scheduled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own with three use cases whose ingest is due every 40 s, one for each policy."""
    root = tmp_path_factory.mktemp("scheduled")
    (root / "rows.csv").write_text("id,name\n1,a\n")
    for policy in POLICIES:
        schedule = {"interval": EVERY, "catch_up": policy, "grace": GRACE}
        feed.install(
            root / INSTALLED,
            f"{root}/rows.csv",
            f"due_{policy}",
            f"schedules: {json.dumps({'ingest': schedule})}\n",
        )
    stack = start_stack(root)
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


def wait_until_due_in(seconds: float) -> None:
    """Until the next due time is at least that far away."""
    while next(Schedule(interval=EVERY).ticks(datetime.now(UTC))) - datetime.now(UTC) < timedelta(seconds=seconds):
        time.sleep(0.2)


def wait_for(stack: Stack, policy: str, due: list[datetime], seconds: float) -> None:
    """Until each of the due times was done."""
    deadline = time.monotonic() + seconds
    while missing := set(due) - set(completed(stack, policy, due[0] - timedelta(seconds=1), due[-1])):
        assert time.monotonic() < deadline, f"{policy}: nobody did {sorted(missing)}"
        time.sleep(1)


def eventually(it: Callable[[], object], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not it():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(1)


def as_the_policies_say(stack: Stack, begun: datetime, ended: datetime) -> None:
    """What happened to the times that passed between ``begun`` and ``ended``, once everything is up again."""
    # The last moments are no miss: a run that is due then may be late by its grace.
    due = Schedule(interval=EVERY).between(begun, ended - timedelta(seconds=GRACE + 2))
    assert len(due) >= 2
    first, last = begun, due[-1] + timedelta(seconds=1)
    wait_for(stack, "all", due, 240)
    # A later one of the others shows that they go on; any, since on a busy machine one may be superseded by the next.
    for policy in ("latest", "none"):
        eventually(lambda policy=policy: completed(stack, policy, ended, datetime.now(UTC)))
    for policy in POLICIES:
        eventually(lambda policy=policy: all(run.final for run in runs_of(stack, policy, first, last)))
    assert completed(stack, "all", first, last) == dict.fromkeys(due, 1)
    assert not completed(stack, "none", first, last)
    assert not completed(stack, "latest", first, due[-2] + timedelta(seconds=1))


def test_the_worker_alone_is_away_across_several_times(scheduled: Stack) -> None:
    """The server made runs that nobody took: the worker starts what is wanted, the rest is dropped and counted."""
    workers = prefect_workers(scheduled)
    # A worker takes a run up to 10 s before it is due, and what it took is no miss.
    wait_until_due_in(12)
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
    assert dropped["ingest/due_latest"] >= 1


def test_the_whole_stack_is_down_across_several_times(scheduled: Stack) -> None:
    """Nobody made runs for these times: all of them are caught up with, or none, as each policy says."""
    started = datetime.now(UTC)
    for policy in POLICIES:  # any run: on a busy machine one may come too late for its policy
        eventually(lambda policy=policy: completed(scheduled, policy, started, datetime.now(UTC)))
    assert scheduled.sluice("down").returncode == 0
    begun = datetime.now(UTC)  # what was under way has crashed and is nobody's miss
    time.sleep(max(0.0, (begun + OUTAGE - datetime.now(UTC)).total_seconds()))
    ended = datetime.now(UTC)
    as_the_policies_say(start_stack(scheduled.root), begun, ended)
