"""What limits may be said to be, and when a run has waited too long."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from sluice.errors import InputInvalidError
from sluice.limits import Limits, why_expired

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(("rate", "spacing"), [("2/m", 30), ("1/h", 3600), ("4/s", 0.25), ("0.5/m", 120), (None, None)])
def test_a_rate_says_how_far_apart_runs_start(rate: str | None, spacing: float | None) -> None:
    """As Celery's do: so many in a time are evenly spread."""
    assert Limits(rate=rate).spacing == spacing


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"rate": "2"}, "'2' is no rate, such as 2/m"),
        ({"rate": "2/d"}, "'2/d' is no rate"),
        ({"rate": "0/m"}, "'0/m' is no rate"),
        ({"rate": "-1/m"}, "'-1/m' is no rate"),
        ({"soft_seconds": 0}, "greater than 0"),
        ({"soft_seconds": float("inf")}, "finite number"),
        ({"hard_seconds": 1e12}, "less than or equal to 31536000"),
        ({"soft_seconds": 60, "hard_seconds": 60}, r"soft_seconds \(60\) must be less than hard_seconds \(60\)"),
        ({"retry_delay_seconds": 5}, "retry_delay_seconds needs retries"),
        ({"retries": -1}, "greater than or equal to 0"),
        ({"concurrency": 0}, "greater than or equal to 1"),
    ],
)
def test_a_wrong_limit_says_what_is_wrong(given: dict[str, Any], problem: str) -> None:
    """When the file is read, and not when the limit would be reached."""
    with pytest.raises(ValidationError, match=problem):
        Limits(**given)


def test_a_runs_own_wrong_limit_is_named() -> None:
    """Whoever starts a run over HTTP may give it limits; what is wrong with them names the key."""
    with pytest.raises(InputInvalidError, match=r"limits\.soft_secnds: .*Did you mean 'soft_seconds'"):
        Limits.parse({"soft_secnds": 5})
    with pytest.raises(InputInvalidError, match=r"^limits: retry_delay_seconds needs retries"):
        Limits.parse({"retry_delay_seconds": 5})
    assert Limits.parse(None) == Limits()


def test_only_what_is_given_travels() -> None:
    """A deployment without limits keeps the parameters that it had."""
    assert Limits().given() == {}
    assert Limits(rate="2/m", retries=3).given() == {"rate": "2/m", "retries": 3}


def test_a_run_expires_after_its_time_and_says_so() -> None:
    """Counted from when it was due, with the figures in the reason; without the limit it never does."""
    assert why_expired(NOON, NOON + timedelta(seconds=60), 60) is None
    reason = why_expired(NOON, NOON + timedelta(seconds=61), 60)
    assert reason == "Expired: it was due at 2026-03-10 12:00:00 UTC and waited 61 s of 60"
    assert why_expired(NOON, NOON + timedelta(days=9), None) is None
