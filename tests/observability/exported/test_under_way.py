"""Prefect as it is now: runs by state, schedules, work pools."""

from typing import Any

import pytest

from observability.exported.deployments import Deployments, interval_of
from observability.exported.under_way import STATES, UnderWay
from tests.fakes.prefect_states import START, FakeStates, at
from tests.observability.told import values

CURRENT, OLDEST = "sluice_flow_runs_current", "sluice_flow_oldest_run_age_seconds"
MOVIES = "train/movies"


@pytest.fixture
def prefect() -> FakeStates:
    made = FakeStates()
    made.deploy("movies")
    return made


def look(prefect: FakeStates) -> dict[Any, float]:
    client = prefect.client()
    return values(UnderWay(client, Deployments(client), 2).look())


def test_every_state_of_every_deployment_is_told(prefect: FakeStates) -> None:
    """Zeros too: an alert that compares with them would have nothing to compare with."""
    told = look(prefect)
    assert {labels for name, labels in told if name == CURRENT} == {(MOVIES, state) for state in STATES}
    assert set(told.values()) == {0.0}


def test_runs_count_where_they_are_and_age(prefect: FakeStates) -> None:
    """Running since its start, late since it was due, waiting for a retry since it began to wait."""
    prefect.enter("one", "RUNNING")
    prefect.now = 10
    prefect.enter("two", "RUNNING")
    prefect.enter("three", "SCHEDULED", "Late")
    prefect.runs["three"]["next_scheduled_start_time"] = at(4)
    prefect.enter("four", "SCHEDULED", "AwaitingRetry")
    prefect.runs["four"]["next_scheduled_start_time"] = at(60)
    prefect.enter("five", "COMPLETED")
    prefect.now = 20
    told = look(prefect)
    assert (told[CURRENT, (MOVIES, "running")], told[OLDEST, (MOVIES, "running")]) == (2, 20)
    assert (told[CURRENT, (MOVIES, "late")], told[OLDEST, (MOVIES, "late")]) == (1, 16)
    assert told[CURRENT, (MOVIES, "awaiting_retry")] == 0  # its time has not come
    prefect.now = 70
    told = look(prefect)
    assert (told[CURRENT, (MOVIES, "awaiting_retry")], told[OLDEST, (MOVIES, "awaiting_retry")]) == (1, 60)


def test_a_retry_is_as_old_as_itself(prefect: FakeStates) -> None:
    """Prefect keeps the first try's start."""
    for state in (("RUNNING", ""), ("SCHEDULED", "AwaitingRetry"), ("RUNNING", "Retrying")):
        prefect.enter("one", *state)
        prefect.now += 3600
    assert look(prefect)[OLDEST, (MOVIES, "running")] == 3600


def test_pools_tell_their_newest_heartbeat(prefect: FakeStates) -> None:
    """A pool whose workers are all gone is not ready; one that never had any has no heartbeat."""
    beats = [{"last_heartbeat_time": at(5)}, {"last_heartbeat_time": at(9)}, {"last_heartbeat_time": None}]
    prefect.pools = [
        {"name": "ours", "status": "READY", "workers": beats},
        {"name": "idle", "status": "NOT_READY", "workers": []},
    ]
    told = look(prefect)
    assert told["sluice_work_pool_ready", ("ours",)] == 1
    assert told["sluice_work_pool_ready", ("idle",)] == 0
    heartbeats = {labels: value for (name, labels), value in told.items() if "heartbeat" in name}
    assert heartbeats == {("ours",): START.timestamp() + 9}


def schedule(active: bool = True, **when: Any) -> dict[str, Any]:
    return {"active": active, "schedule": when}


@pytest.mark.parametrize(
    ("schedules", "seconds"),
    [
        ([], None),
        ([schedule(interval=600.0)], 600),
        ([schedule(active=False, interval=600.0)], None),
        ([schedule(cron="0 3 * * *", timezone="UTC")], 86_400),
        ([schedule(cron="0 9 * * 1-5", timezone="Europe/Berlin")], 3 * 86_400),
        ([schedule(cron="*/15 8-18 * * *")], 13.25 * 3600),
        ([schedule(cron="0 9-17 * * 1-5")], (2 * 24 + 16) * 3600),
        ([schedule(cron="* 9-17 * * 1-5")], (2 * 24 + 15) * 3600 + 60),
        ([schedule(cron="0 3 1 * *")], 31 * 86_400),
        ([schedule(cron="0 3 1-7 * *")], 25 * 86_400),
        ([schedule(cron="0 3 1 1 *")], 366 * 86_400),
        ([schedule(cron="0 3 30 2 *")], None),
        ([schedule(cron="0 3 * * *"), schedule(interval=60.0)], 60),
        ([schedule(rrule="FREQ=DAILY")], None),
    ],
)
def test_an_interval_is_the_longest_pause(schedules: list[dict[str, Any]], seconds: float | None) -> None:
    """A cron of working days has a weekend in it, one of hours its nights, and neither is a missed run."""
    assert interval_of({"paused": False, "schedules": schedules}) == seconds
    assert interval_of({"paused": True, "schedules": schedules}) is None


def test_only_active_schedules_are_told(prefect: FakeStates) -> None:
    """A paused deployment misses nothing."""
    prefect.deploy("shop", schedules=[schedule(interval=60.0)])
    assert look(prefect)["sluice_deployment_schedule_interval_seconds", ("train/shop",)] == 60
    prefect.deploy("shop", schedules=[schedule(interval=60.0)], paused=True)
    assert not [name for name, _ in look(prefect) if "interval" in name]
