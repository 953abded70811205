"""Moments as people write them."""

from datetime import UTC, datetime, timedelta

import pytest

from sluice.errors import InputInvalidError
from sluice.moment import moment


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026-11-21T09:30:00Z", 9),
        ("2026-11-21T09:30:00", 9),
        ("2026-11-21T09:30:00+01:00", 8),
        ("2026-11-21T09:30:00 01:00", 8),
        ("2026-11-21 09:30", 9),
        ("2026-11-21", 0),
    ],
)
def test_iso_8601_is_read_as_utc(text: str, hour: int) -> None:
    """Without a zone it is UTC; a plus that a query lost is one all the same."""
    assert moment(text, "since").astimezone(UTC).hour == hour


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("5m", 300), ("2h", 7200), ("7d", 604_800), ("1w", 604_800)]
)
def test_how_long_ago(text: str, seconds: int) -> None:
    """What one types at night."""
    said = moment(text, "since")
    ago = datetime.now(UTC) - said
    assert timedelta(seconds=seconds) <= ago < timedelta(seconds=seconds + 60)


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-02-30", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1969-12-31", "999999d"],
)
def test_what_is_no_moment_names_the_field(text: str) -> None:
    """Also what no database could compare with."""
    with pytest.raises(InputInvalidError) as refused:
        moment(text, "since")
    assert refused.value.field == "since"
