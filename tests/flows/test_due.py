"""Runs that come too late for their schedule."""

from datetime import datetime
from typing import Any

import pytest
from prefect.runtime import flow_run

from flows.due import dropped, expired
from sluice.limits import Limits


@pytest.mark.parametrize("schedule", [{"interval": 3600}, {"cron": "0 * * * *"}, None])
def test_a_run_in_time_goes_on(schedule: dict[str, Any] | None) -> None:
    """Before Python 3.13 Prefect gives the due time in a class of its own; both kinds of schedule calculate with it."""
    assert isinstance(flow_run.scheduled_start_time, datetime)
    assert dropped(schedule) is None


def test_only_a_run_that_has_waited_expires() -> None:
    """Without the limit, and within it, a run goes on."""
    assert expired(Limits()) is None
    assert expired(Limits(expires=60)) is None
