"""Runs that come too late for their schedule."""

from typing import Any

import pytest
from prefect.runtime import flow_run

from flows.due import dropped


@pytest.mark.parametrize("schedule", [{"interval": 3600}, {"cron": "0 * * * *"}, None])
def test_a_run_in_time_goes_on(schedule: dict[str, Any] | None) -> None:
    """Prefect gives the due time in a class of its own, with which both kinds of schedule can calculate."""
    assert type(flow_run.scheduled_start_time).__module__.startswith("pendulum")
    assert dropped(schedule) is None
