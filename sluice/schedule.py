"""When a flow is due, and what happens to the times that were missed.

Prefect makes the runs of a schedule ahead of time. While its server is down the times beyond those pass without a
run; while its worker is down the runs pile up, and all of them start when it comes back. The policy here says what
should happen instead; `deployments.catch_up` and `flows.due` make it happen.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from sluice.limits import why_expired

_SHORTEST_LATEST = 10
# Intervals count from here, so that deploying again does not move them.
ANCHOR = datetime(2020, 1, 1, tzinfo=UTC)


class Schedule(BaseModel):
    """``schedules.<flow>`` in use_case.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cron: str | None = Field(None, description="five fields, such as '0 3 * * *'; in the schedule's time zone")
    interval: float | None = Field(None, gt=0, description="seconds; counted from 2020-01-01 UTC")
    timezone: str = "UTC"
    catch_up: Literal["none", "latest", "all"] = Field(
        "latest",
        description="times that passed while the worker or the server was down: run none, the latest, or all of them",
    )
    grace: float = Field(60, ge=0, description="seconds that a run may start late before catch_up: none drops it")
    expires: float | None = Field(None, gt=0, description="seconds a run may wait for its start before it is dropped")

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, value: str | None) -> str | None:
        if value is not None and (len(value.split()) != 5 or not croniter.is_valid(value)):
            raise ValueError(f"{value!r} is not five fields of cron, such as '0 3 * * *' for each night at three")
        return value

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"there is no time zone {value!r}; a name such as Europe/Berlin is wanted") from None
        return value

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if (self.cron is None) == (self.interval is None):
            raise ValueError("a schedule has either cron or interval")
        if self.interval is not None and self.timezone != "UTC":
            raise ValueError("an interval counts seconds; only cron has a time zone")
        if self.interval is not None and self.interval < _SHORTEST_LATEST and self.catch_up == "latest":
            raise ValueError(
                f"a run takes seconds to start, and with catch_up: latest the next time of an interval under "
                f"{_SHORTEST_LATEST} s would supersede it; set catch_up to none or all"
            )
        return self

    def ticks(self, after: datetime) -> Iterator[datetime]:
        """The due times later than ``after`` (aware), without end, in UTC."""
        if self.interval is not None:
            step = timedelta(seconds=self.interval)
            tick = ANCHOR + ((after - ANCHOR) // step) * step
            while True:
                tick += step
                yield tick
        # On the wall clock, as Prefect does it.
        assert self.cron is not None
        zone = ZoneInfo(self.timezone)
        times = croniter(self.cron, after.astimezone(zone).replace(tzinfo=None))
        while True:
            wall = times.get_next(datetime)
            tick = wall.replace(tzinfo=zone).astimezone(UTC)
            # A time that a change of the clock leaves out: Prefect moves it, to where depends on Python's version. It
            # is not caught up.
            exists = tick.astimezone(zone).replace(tzinfo=None) == wall
            if exists and tick > after:
                yield tick

    def between(self, after: datetime, until: datetime) -> list[datetime]:
        """The due times later than ``after`` and not later than ``until``."""
        found = []
        for tick in self.ticks(after):
            if tick > until:
                break
            found.append(tick)
        return found

    def why_dropped(self, due: datetime, now: datetime) -> str | None:
        """Why a run that was due then is not started any more, or None when it is."""
        waited = (now - due).total_seconds()
        if (expired := why_expired(due, now, self.expires)) is not None:
            return expired
        if self.catch_up == "none" and waited > self.grace:
            return f"Missed: it was due at {due:%Y-%m-%d %H:%M:%S} UTC, {waited:.0f} s ago; catch_up is none"
        later = next(self.ticks(due))
        if self.catch_up == "latest" and later <= now:
            return f"Superseded: it was due at {due:%Y-%m-%d %H:%M:%S} UTC, and {later:%H:%M:%S} came"
        return None

    def caught_up(self, after: datetime, now: datetime) -> list[datetime]:
        """The due times in between that must have a run now, oldest first."""
        due = self.between(after, now)
        return [tick for tick in due if self.why_dropped(tick, now) is None]
