"""What came of a check."""

from dataclasses import dataclass
from typing import Literal

from sluice.errors import SluiceError


class CheckFailedError(SluiceError):
    """Fields: problem, hint."""

    status = 422
    template = "{problem}. {hint}"


class UseCaseNonconformingError(SluiceError):
    """Fields: use_case, failures (one line each)."""

    status = 422
    template = "{use_case!r} does not do what a use case has to:\n{failures}"


@dataclass(frozen=True)
class Outcome:
    """One check of one use case.

    Attributes:
        status: ``skipped`` when it needs what an earlier check has failed to get.
        detail: what was seen, or what is wrong.
        hint: what to do about it; empty when it passed.
    """

    check: str
    status: Literal["passed", "failed", "skipped"]
    detail: str
    hint: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.status} {self.check}: {self.detail}" + (f". {self.hint}" if self.hint else "")
