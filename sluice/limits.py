"""How long a flow's runs may take, how often they may start, how many at a time: ``limits.<flow>`` in use_case.yaml.

What a limit does when it is reached is in `flows.time_limits`, `flows.turn` and `flows.due`.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from sluice.errors import InputInvalidError
from sluice.explanation import explain

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST = 31_536_000  # seconds: a year
_RATE = re.compile(r"(\d+(?:\.\d+)?)/([smh])")


class Limits(BaseModel):
    """``limits.<flow>`` in use_case.yaml. What is not given does not limit."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    soft_seconds: float | None = Field(
        None,
        gt=0,
        le=_LONGEST,
        description="after these, the step that runs gets SoftTimeLimitExceededError and can clean up",
    )
    hard_seconds: float | None = Field(
        None, gt=0, le=_LONGEST, description="after these, the run is ended, whatever it does"
    )
    retries: int = Field(
        0, ge=0, le=1000, description="how often a failed run is tried again; what it finished is skipped"
    )
    retry_delay_seconds: int = Field(0, ge=0, le=_LONGEST, description="seconds before each of these tries")
    rate: str | None = Field(None, description="runs that may start in a time, such as 2/m, also /s and /h; more wait")
    expires: float | None = Field(
        None, gt=0, le=_LONGEST, description="seconds a run may wait for its start, from when it was due or asked for"
    )
    concurrency: int | None = Field(None, ge=1, description="runs at a time; more wait")

    @field_validator("rate")
    @classmethod
    def _is_rate(cls, value: str | None) -> str | None:
        found = None if value is None else _RATE.fullmatch(value)
        if value is not None and (found is None or float(found[1]) == 0):
            raise ValueError(f"{value!r} is no rate, such as 2/m for two runs a minute; also /s and /h")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.soft_seconds is not None and self.hard_seconds is not None and self.soft_seconds >= self.hard_seconds:
            raise ValueError(
                f"soft_seconds ({self.soft_seconds:g}) must be less than hard_seconds ({self.hard_seconds:g}), or "
                "nothing is left to clean up in"
            )
        if self.retry_delay_seconds and not self.retries:
            raise ValueError("retry_delay_seconds needs retries")
        return self

    @classmethod
    def parse(cls, given: Mapping[str, Any] | None) -> "Limits":
        """Of the parameter ``limits`` of a run.

        Raises:
            InputInvalidError: naming the key.
        """
        try:
            return cls.model_validate(given or {})
        except ValidationError as error:
            field, _, problem = explain(error, cls, prefix="limits.").partition(": ")
            raise InputInvalidError(field=field, problem=problem) from None

    @property
    def spacing(self) -> float | None:
        """Seconds between two starts at least; None: no rate is given."""
        found = None if self.rate is None else _RATE.fullmatch(self.rate)
        return None if found is None else _UNITS[found[2]] / float(found[1])

    def given(self) -> dict[str, Any]:
        """Those that are set, for a deployment's parameters."""
        return self.model_dump(mode="json", exclude_defaults=True)


def why_expired(due: datetime, now: datetime, expires: float | None) -> str | None:
    """Why a run that was due then may not start any more, or None when it may. ``expires`` in seconds."""
    waited = (now - due).total_seconds()
    if expires is None or waited <= expires:
        return None
    return f"Expired: it was due at {due:%Y-%m-%d %H:%M:%S} UTC and waited {waited:.0f} s of {expires:.0f}"
