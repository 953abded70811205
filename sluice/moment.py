"""Moments as people write them: ISO 8601, or how long ago."""

import re
from datetime import UTC, datetime, timedelta

from sluice.errors import InputInvalidError

# Databases and clients of Prefect all know these years.
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_AGO = re.compile(r"(?P<number>\d{1,5})(?P<unit>[smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(text: str, field: str) -> datetime:
    """In UTC: ``2026-11-21``, ``2026-11-21T09:30:00+01:00``, or ``30m``, ``2h``, ``7d`` before now.

    Raises:
        InputInvalidError: it is neither, naming ``field``.
    """
    if ago := _AGO.fullmatch(text):
        return moment_of(datetime.now(UTC) - timedelta(**{_UNITS[ago["unit"]]: int(ago["number"])}), field)
    # In a query a plus that nobody encoded comes as a blank.
    for written in (text, re.sub(r" (\d\d:?\d\d)$", r"+\1", text)):
        try:
            return moment_of(datetime.fromisoformat(written), field)
        except ValueError:
            continue
    raise InputInvalidError(field=field, problem=f"{text!r} is no time such as 2026-11-21T09:30:00Z, 30m, 2h or 7d.")


def moment_of(time: datetime, field: str) -> datetime:
    """In UTC; one without a zone is taken as UTC.

    Raises:
        InputInvalidError: not between the years 1970 and 2200, naming ``field``.
    """
    try:
        there = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except OverflowError:
        there = _LAST
    if not _FIRST <= there < _LAST:
        raise InputInvalidError(field=field, problem="is no time between the years 1970 and 2200.")
    return there
