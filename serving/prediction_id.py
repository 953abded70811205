"""Ids of predictions: unique over processes and restarts, in the order of time, and with their time in them."""

import re
import secrets
from collections.abc import Callable
from itertools import count
from time import time_ns

# The layout of UUID version 7 (RFC 9562, section 5.7), as 32 hexadecimal digits.
PATTERN = "^[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$"
_FORM = re.compile(PATTERN)


def id_maker() -> Callable[[], str]:
    """A function that gives ids: milliseconds, 42 bits that are random for each maker, and a counter of 32 bits."""
    maker = f"7{secrets.randbits(12):03x}{0x80000000 | secrets.randbits(30):08x}"
    after = count().__next__

    def new_id() -> str:
        return f"{time_ns() // 1_000_000:012x}{maker}{after() & 0xFFFFFFFF:08x}"

    return new_id


def made_at(prediction_id: str) -> float:
    """When an id was made, in seconds since the epoch.

    Raises:
        ValueError: it is no id of ours.
    """
    if not _FORM.fullmatch(prediction_id):
        raise ValueError(f"{prediction_id!r} is no prediction's id")
    return int(prediction_id[:12], 16) / 1000
