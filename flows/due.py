"""A run of a schedule that comes too late ends at once, as its policy says, before it does anything.

The sweep of `deployments.catch_up` drops such runs before a worker takes them. This is for those that a worker was
quicker with: after an outage of the server, the worker starts everything that was left over within a second.
"""

from datetime import UTC, datetime
from typing import Any

from prefect import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Cancelled, State


def dropped(schedule: dict[str, Any] | None) -> "State[Any] | None":
    """The state in which this run ends, when it is one of a schedule and comes too late."""
    from sluice.schedule import Schedule

    # A run that somebody tries again is wanted, however old it is.
    if schedule is None or flow_run.run_count > 1:
        return None
    # Prefect's own class of time cannot be divided by a plain interval.
    due = datetime.fromisoformat(flow_run.scheduled_start_time.isoformat())
    reason = Schedule.model_validate(schedule).why_dropped(due, datetime.now(UTC))
    if reason is None:
        return None
    get_run_logger().warning(reason)
    return Cancelled(name=reason.partition(":")[0], message=reason)
