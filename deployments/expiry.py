"""Runs that wait for their start longer than ``limits.<flow>.expires`` allows: dropped, with a word of why.

They wait because no worker takes them, or because the deployment has as many at a time as it may. A run that was taken
meanwhile looks for itself, in `flows.due`.
"""

from contextlib import suppress
from datetime import datetime
from typing import Any

from loguru import logger

from sluice.errors import InputInvalidError
from sluice.limits import Limits, why_expired
from sluice.runs import FlowRun, PrefectRuns


def drop_expired(prefect: PrefectRuns, now: datetime) -> int:
    """Look once at every deployment that has the limit; gives how many runs were dropped."""
    return sum(
        _drop(prefect, deployment["id"], now)
        for deployment in prefect.every("/deployments/filter")
        if (deployment["parameters"].get("limits") or {}).get("expires") is not None
    )


def waiting(now: datetime) -> dict[str, Any]:
    """Prefect's filter of the runs whose time has come and that nobody has begun."""
    return {"state": {"type": {"any_": ["SCHEDULED"]}}, "expected_start_time": {"before_": now.isoformat()}}


def _drop(prefect: PrefectRuns, deployment: str, now: datetime) -> int:
    dropped = 0
    for run in prefect.runs_of(deployment, **waiting(now)):
        reason = _why_dropped(run, now)
        if reason is not None:
            prefect.set_state(run.id, "CANCELLED", reason, name=reason.partition(":")[0])
            logger.bind(run=run.id).warning("{}: {}", run.name, reason)
            dropped += 1
    return dropped


def _why_dropped(run: FlowRun, now: datetime) -> str | None:
    # One that is to be tried again is wanted. One whose limits are wrong says so itself when it starts.
    with suppress(InputInvalidError):
        if not run.run_count:
            return why_expired(run.expected_start_time, now, Limits.parse(run.parameters.get("limits")).expires)
    return None
