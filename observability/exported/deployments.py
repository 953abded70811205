"""The deployments that Prefect knows: the values that the label ``deployment`` can have."""

import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from threading import Lock
from typing import Any, NamedTuple

from sluice.runs import PrefectRuns
from sluice.schedule import ANCHOR, Schedule

# A list of them is long, and changes when somebody deploys or pauses.
REMEMBERED_SECONDS = 10.0
# What is looked at for the longest pause of a cron: a year of it, or so many due times where they are more often, but a
# week at least, which has the weekend of working days and the nights of working hours in it.
_YEAR, _WEEK, _TICKS = timedelta(days=366), timedelta(days=8), 1000


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


def interval_of(deployment: Mapping[str, Any]) -> float | None:
    """The longest pause, in seconds, between two due times; of several schedules the one with the shortest."""
    if deployment.get("paused"):
        return None
    active = (one["schedule"] for one in deployment.get("schedules") or () if one.get("active"))
    return min((seconds for seconds in map(_longest, active) if seconds is not None), default=None)


def _longest(schedule: Mapping[str, Any]) -> float | None:
    if schedule.get("interval") is not None:
        return float(schedule["interval"])
    return _longest_of_cron(schedule.get("cron"))


@lru_cache
def _longest_of_cron(cron: str | None) -> float | None:
    """On the clock of its zone, from the same day on each time: the hour of a change of the clock is no pause."""
    longest, last = 0.0, None
    try:
        for number, tick in enumerate(Schedule(cron=cron).ticks(ANCHOR)):
            if last is not None:
                longest = max(longest, (tick - last) / timedelta(seconds=1))
                if tick - ANCHOR > (_WEEK if number >= _TICKS else _YEAR):
                    break
            last = tick
    except ValueError:  # a recurrence rule, which none of ours is, or a cron with seconds
        return None
    return longest
