"""When a flow is due, and what becomes of the times that were missed."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from prefect.server.schemas.schedules import CronSchedule, IntervalSchedule
from pydantic import ValidationError

from sluice.schedule import ANCHOR, Schedule

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
HOURLY: dict[str, Any] = {"cron": "0 * * * *"}


@pytest.mark.parametrize(
    "cron", ["0 3 * * *", "30 2 * * *", "*/20 * * * *", "0 12 13 * 5", "0 0 29 2 *", "0 9-17/2 * * 1-5"]
)
@pytest.mark.parametrize("timezone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"])
@pytest.mark.parametrize("month", [3, 10, 11])
def test_due_times_are_those_of_prefect(cron: str, timezone: str, month: int) -> None:
    """Catching up asks for the runs that Prefect would have made, and no other, also when the clocks change."""
    start = datetime(2026, month, 1, 0, 0, 1, tzinfo=UTC)
    ours = Schedule(cron=cron, timezone=timezone).ticks(start)
    theirs = asyncio.run(CronSchedule(cron=cron, timezone=timezone).get_dates(n=100, start=start))
    wanted = sorted({date.astimezone(UTC) for date in theirs})
    found = [tick for tick, _ in zip(ours, wanted, strict=False)]
    # Once a year 2:30 does not exist; Prefect moves it, and it is not caught up.
    moved = [tick for tick in wanted if cron.startswith("30 2 ") and _clock(tick, timezone) != "02:30"]
    assert found[: len(found) - len(moved)] == [tick for tick in wanted if tick not in moved]
    assert len(moved) <= 1


def _clock(tick: datetime, timezone: str) -> str:
    return f"{tick.astimezone(ZoneInfo(timezone)):%H:%M}"


@pytest.mark.parametrize("seconds", [30, 40, 50, 90_000])
def test_intervals_are_those_of_prefect(seconds: float) -> None:
    """Intervals that do not divide a day keep counting from one moment, whenever somebody looks."""
    start = datetime(2026, 3, 28, 7, 11, 13, tzinfo=UTC)
    ours = Schedule(interval=seconds).ticks(start)
    prefect = IntervalSchedule(interval=timedelta(seconds=seconds), anchor_date=ANCHOR)
    wanted = [date.astimezone(UTC) for date in asyncio.run(prefect.get_dates(n=20, start=start))]
    assert [next(ours) for _ in wanted] == wanted


@pytest.mark.parametrize(("catch_up", "wanted_hours"), [("none", [12]), ("latest", [12]), ("all", [9, 10, 11, 12])])
def test_catch_up_says_which_missed_times_run(catch_up: Any, wanted_hours: list[int]) -> None:
    """After an outage from 8:30 to 12:00:10: the one just due always, those before as the policy says."""
    schedule = Schedule(**HOURLY, catch_up=catch_up)
    due = schedule.caught_up(NOON - timedelta(hours=3, minutes=30), NOON + timedelta(seconds=10))
    assert [tick.hour for tick in due] == wanted_hours


def test_latest_runs_however_late_and_none_does_not() -> None:
    """Half an hour after the last due time: latest makes it up, none waits for the next."""
    late = NOON + timedelta(minutes=30)
    latest, none = Schedule(**HOURLY, catch_up="latest"), Schedule(**HOURLY, catch_up="none")
    assert latest.caught_up(NOON - timedelta(hours=5), late) == [NOON]
    assert none.caught_up(NOON - timedelta(hours=5), late) == []
    assert none.why_dropped(NOON, NOON + timedelta(seconds=59)) is None
    assert "Missed: it was due at 2026-03-10 12:00:00" in str(none.why_dropped(NOON, late))


def test_a_run_that_waited_longer_than_expires_is_dropped() -> None:
    """Also under catch_up: all, and with the figures in the reason."""
    schedule = Schedule(**HOURLY, catch_up="all", expires=600)
    assert schedule.why_dropped(NOON, NOON + timedelta(seconds=600)) is None
    reason = str(schedule.why_dropped(NOON, NOON + timedelta(seconds=700)))
    assert reason.startswith("Expired: ")
    assert "waited 700 s of 600" in reason


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "either cron or interval"),
        ({"cron": "0 3 * * *", "interval": 5}, "either cron or interval"),
        ({"cron": "each night"}, "five fields"),
        ({"cron": "61 * * * *"}, "five fields"),
        ({"cron": "0 3 * * *", "timezone": "Berlin"}, "there is no time zone 'Berlin'"),
        ({"interval": 0}, "greater than 0"),
        ({"interval": 5}, "set catch_up to none or all"),
        ({"interval": 40, "timezone": "Europe/Berlin"}, "only cron has a time zone"),
    ],
)
def test_a_wrong_schedule_says_what_is_wrong(given: dict[str, Any], problem: str) -> None:
    """At the time the file is read, not at three in the night."""
    with pytest.raises(ValidationError, match=problem):
        Schedule(**given)
