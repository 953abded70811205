"""When a run's time limits pass: its own, and those of the pipeline that started it."""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict

from sluice.limits import Limits


class Deadline(BaseModel):
    """One moment. ``run`` is whose limit it is, such as ``train/movies``.

    Attributes:
        at: seconds since 1970; a stage may be on another machine than its pipeline.
        seconds: that the limit allows.
    """

    model_config = ConfigDict(frozen=True)

    at: float
    seconds: float
    run: str

    @property
    def left(self) -> float:
        """Seconds until then, 0 if it has passed."""
        return max(0.0, self.at - time.time())

    @property
    def fields(self) -> dict[str, str]:
        """Of the error that says it has passed."""
        return {"run": self.run, "seconds": f"{self.seconds:g}"}


class Deadlines(NamedTuple):
    """Of a run that has begun."""

    soft: Deadline | None
    hard: Deadline | None

    @classmethod
    def begun(cls, run: str, limits: Limits, within: Mapping[str, Any] | None = None) -> Self:
        """Counted from now. ``within``: those of the pipeline by name; the earlier one counts."""
        now = time.time()
        own = {"soft": limits.soft_seconds, "hard": limits.hard_seconds}
        found = {
            name: Deadline(at=now + seconds, seconds=seconds, run=run)
            for name, seconds in own.items()
            if seconds is not None
        }
        for name, given in (within or {}).items():
            above = Deadline.model_validate(given)
            found[name] = min(found.get(name, above), above, key=lambda deadline: deadline.at)
        return cls(found.get("soft"), found.get("hard"))
