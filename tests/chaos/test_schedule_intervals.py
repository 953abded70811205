"""Intervals of 30, 40 and 50 seconds side by side, on a stack of its own: each flow runs at its own times."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deployments import catch_up
from sluice.runs import PrefectRuns
from sluice.schedule import Schedule
from tests import feed
from tests.conftest import INSTALLED, Stack, start_stack

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.rare]
INTERVALS = (30, 40, 50)
WATCHED = timedelta(seconds=105)


@pytest.fixture
def scheduled(tmp_path: Path) -> Iterator[Stack]:
    (tmp_path / "rows.csv").write_text("id,name\n1,a\n")
    for seconds in INTERVALS:
        schedule = {"ingest": {"interval": seconds, "catch_up": "all"}}
        more = f"schedules: {json.dumps(schedule)}\n"
        feed.install(tmp_path / INSTALLED, f"{tmp_path}/rows.csv", f"every_{seconds}", more)
    stack = start_stack(tmp_path)
    try:
        yield stack
    finally:
        done = stack.sluice("down")
        assert done.returncode == 0, done.stdout


def test_each_runs_at_its_own_times(scheduled: Stack) -> None:
    """Every due time of each has exactly one run, which completes; no other time has one."""
    # A run that is due at once could have been made by nobody yet.
    begun = datetime.now(UTC) + timedelta(seconds=3)
    ended = begun + WATCHED
    time.sleep((ended - datetime.now(UTC)).total_seconds())
    between = {"after_": begun.isoformat(), "before_": ended.isoformat()}
    with PrefectRuns(scheduled.settings.prefect.url) as prefect:
        deployments = {found.deployment: found.id for found in catch_up.schedules(prefect)}
        for seconds in INTERVALS:
            due = Schedule(interval=seconds).between(begun, ended)
            assert len(due) >= 2
            deployment = deployments[f"ingest/every_{seconds}"]
            deadline = time.monotonic() + 180
            while True:
                found = prefect.runs_of(deployment, expected_start_time=between)
                if all(run.final for run in found):
                    break
                assert time.monotonic() < deadline, found
                time.sleep(0.5)
            assert [run.expected_start_time.replace(microsecond=0) for run in found] == due
            assert [run.state_name for run in found] == ["Completed"] * len(due)
            late = [(run.start_time - run.expected_start_time).total_seconds() for run in found if run.start_time]
            # How late depends on what else the machine does; before its time none may start.
            assert min(late) > -1
