"""Durations as Prometheus and Alertmanager write them."""

import re

_SECOND, _DAY = 1000, 86_400_000
_MILLISECONDS = {"ms": 1, "s": _SECOND, "m": 60_000, "h": 3_600_000, "d": _DAY, "w": 7 * _DAY, "y": 365 * _DAY}
_PART = re.compile(r"(\d+)(ms|[smhdwy])")


def duration(seconds: float) -> str:
    """In the largest unit that gives a whole number; at least a millisecond, as zero means something else to both."""
    milliseconds = max(1, round(1000 * seconds))
    for unit in ("d", "h", "m", "s"):
        if milliseconds % _MILLISECONDS[unit] == 0:
            return f"{milliseconds // _MILLISECONDS[unit]}{unit}"
    return f"{milliseconds}ms"


def seconds_of(text: str) -> float:
    """Seconds of a duration such as ``1h30m``.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch(f"({_PART.pattern})+", text):
        raise ValueError(f"{text!r} is no duration of Prometheus")
    return sum(int(number) * _MILLISECONDS[unit] for number, unit in _PART.findall(text)) / 1000
