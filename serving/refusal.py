"""A version that was not put to use: why, and when to try it again."""

from dataclasses import dataclass, replace
from datetime import datetime
from time import monotonic
from typing import Self

from serving.served import now

# Its artifacts may only have been out of reach, so it is tried again, each time after twice as long.
FIRST_RETRY_SECONDS = 10.0
LAST_RETRY_SECONDS = 300.0


@dataclass(frozen=True)
class Refusal:
    """``retry_at`` is on the monotonic clock, ``at`` is for people."""

    version: str
    problem: str
    at: datetime
    wait_seconds: float
    retry_at: float

    @classmethod
    def of(cls, version: str, problem: str, before: Self | None) -> Self:
        """The refusal after ``before``, which was of the same version."""
        wait = min(before.wait_seconds * 2, LAST_RETRY_SECONDS) if before else FIRST_RETRY_SECONDS
        return cls(version, problem, now(), wait, monotonic() + wait)

    def due_now(self) -> Self:
        """The same, to be tried again at once: somebody says that its cause is gone."""
        return replace(self, retry_at=monotonic())

    @property
    def due(self) -> bool:
        return monotonic() >= self.retry_at
