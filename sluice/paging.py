"""Pages of what has a time and an id: a cursor names the last that was given, so nothing is lost or told twice.

Prefect sorts by time only. What has one time is put in the order of its ids here.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from sluice.errors import InputInvalidError
from sluice.moment import moment_of
from sluice.runs import PrefectRuns

T = TypeVar("T")
_ID = re.compile(r"[\w.:-]{1,64}")
_MOST = 200  # that Prefect gives at once


class Position(NamedTuple):
    """Where something is in the order: by its time, then by its id."""

    at: datetime
    id: str


class Cursor(NamedTuple):
    """After which one a page begins. ``source`` says where that one was read, when there are several sources."""

    position: Position
    source: str = ""

    def __str__(self) -> str:
        text = f"{self.source} {self.position.at.isoformat()} {self.position.id}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """What ``str`` gave.

        Raises:
            InputInvalidError: it is none of ours.
        """
        problem = InputInvalidError(field="cursor", problem="is none that was given here: take `next` as it is.")
        try:
            padded = text.encode("ascii") + b"=" * (-len(text) % 4)
            source, at, id = base64.b64decode(padded, b"-_", validate=True).decode("ascii").split(" ")
            moment = datetime.fromisoformat(at)
        except (ValueError, binascii.Error):
            raise problem from None
        if moment.tzinfo is None or not _ID.fullmatch(id) or len(source) > 1:
            raise problem
        return cls(Position(moment_of(moment, "cursor"), id), source)


def rows(prefect: PrefectRuns, path: str, query: Mapping[str, Any], size: int) -> Iterator[dict[str, Any]]:
    """What a filter route of Prefect finds, as lazily as it is taken; the first ``size`` come at once."""
    offset, size = 0, min(size, _MOST)
    while True:
        page = prefect.request("POST", path, {**query, "limit": size, "offset": offset})
        yield from page
        if len(page) < size:
            return
        offset, size = offset + len(page), _MOST


def first(
    found: Iterable[T], position: Callable[[T], Position], after: Position | None, limit: int, *, newest: bool
) -> tuple[list[T], bool]:
    """The next ``limit`` after a position, and whether there are more.

    Args:
        found: in the order of time only, and maybe some twice; no more of it is taken than is needed.
        newest: whether the newest come first.
    """
    taken: dict[Position, T] = {}
    last: datetime | None = None  # the time of the last that goes on the page
    for one in found:
        here = position(one)
        if after is not None and not (here < after if newest else here > after):
            continue
        taken.setdefault(here, one)
        if len(taken) == limit:
            last = here.at
        # Those of one time must all be there, or the order of ids would put one before the cursor.
        elif len(taken) > limit and here.at != last:
            break
    order = sorted(taken, reverse=newest)
    return [taken[here] for here in order[:limit]], len(order) > limit
