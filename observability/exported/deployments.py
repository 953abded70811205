"""The deployments that Prefect knows: the values that the label ``deployment`` can have."""

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from threading import Lock
from typing import Any, NamedTuple

from pydantic import ValidationError

from sluice.runs import PrefectRuns
from sluice.schedule import Schedule

# A list of them is long, and changes when somebody deploys or pauses.
REMEMBERED_SECONDS = 10.0
# Due times that are looked at for the longest pause between two: a working week's cron has its weekend among them.
_TICKS = 10


class Deployed(NamedTuple):
    """Attributes:
    name: ``<flow>/<use case>``.
    interval: seconds between two due times at most; None without an active schedule.
    """

    id: str
    name: str
    created: datetime
    interval: float | None


class Deployments:
    """Threads may share it."""

    def __init__(self, prefect: PrefectRuns) -> None:
        self._prefect = prefect
        self._lock = Lock()
        self._read_at: float | None = None
        self._known: dict[str, Deployed] = {}

    def known(self, wanted: Iterable[str] = ()) -> dict[str, Deployed]:
        """By id; read anew when ``wanted`` ids are not among those that were read last.

        Raises:
            ServiceUnavailableError: Prefect does not answer.
        """
        with self._lock:
            old = self._read_at is None or time.monotonic() - self._read_at > REMEMBERED_SECONDS
            if old or not set(wanted) <= self._known.keys():
                found = (self._deployed(one) for one in self._prefect.every("/deployments/filter"))
                self._known = {one.id: one for one in found}
                self._read_at = time.monotonic()
            return dict(self._known)

    def _deployed(self, found: Mapping[str, Any]) -> Deployed:
        return Deployed(
            found["id"],
            f"{self._prefect.flow_name(found['flow_id'])}/{found['name']}",
            datetime.fromisoformat(found["created"]),
            interval_of(found),
        )


def interval_of(deployment: Mapping[str, Any], now: datetime | None = None) -> float | None:
    """The longest pause, in seconds, between two due times; of several schedules the one with the shortest."""
    if deployment.get("paused"):
        return None
    active = (one["schedule"] for one in deployment.get("schedules") or () if one.get("active"))
    found = [seconds for seconds in (_longest(one, now or datetime.now(UTC)) for one in active) if seconds is not None]
    return min(found, default=None)


def _longest(schedule: Mapping[str, Any], now: datetime) -> float | None:
    if schedule.get("interval") is not None:
        return float(schedule["interval"])
    try:
        known = Schedule(cron=schedule.get("cron"), timezone=schedule.get("timezone") or "UTC")
        ticks = list(islice(known.ticks(now), _TICKS))
    except (ValidationError, ValueError):  # a recurrence rule, which none of ours is, or a cron with seconds
        return None
    return max(((late - early) / timedelta(seconds=1) for early, late in pairwise(ticks)), default=None)
