"""A run that comes too late ends at once, before it does anything: as its schedule's policy or its limits say.

The sweep of `deployments.catch_up` drops such runs before a worker takes them. This is for those that a worker was
quicker with: after an outage of the server, the worker starts everything that was left over within a second.
"""

from datetime import UTC, datetime
from typing import Any

from prefect import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Cancelled, State

from sluice.limits import Limits, why_expired


def dropped(schedule: dict[str, Any] | None) -> "State[Any] | None":
    """The state in which this run ends, when it is one of a schedule and comes too late."""
    from sluice.schedule import Schedule

    if schedule is None or _again():
        return None
    return _ended(Schedule.model_validate(schedule).why_dropped(_due(), datetime.now(UTC)))


def expired(limits: Limits) -> "State[Any] | None":
    """The state in which this run ends, when it has waited longer than its limits allow, whoever started it."""
    return _ended(_why_expired(limits))


def is_expired(limits: Limits) -> bool:
    """For a run that waits: whether it has waited for too long already."""
    return _why_expired(limits) is not None


def _why_expired(limits: Limits) -> str | None:
    if limits.expires is None or _again():
        return None
    return why_expired(_due(), datetime.now(UTC), limits.expires)


def _again() -> bool:
    """A run that somebody tries again is wanted, however old it is."""
    return bool(flow_run.run_count > 1)


def _due() -> datetime:
    # Prefect's own class of time cannot be divided by a plain interval.
    return datetime.fromisoformat(flow_run.scheduled_start_time.isoformat())


def _ended(reason: str | None) -> "State[Any] | None":
    if reason is None:
        return None
    get_run_logger().warning(reason)
    return Cancelled(name=reason.partition(":")[0], message=reason)
