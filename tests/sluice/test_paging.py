"""Pages by time and id."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.errors import InputInvalidError
from sluice.paging import Cursor, Position, first

NOW = datetime(2026, 11, 21, 5, 0, 0, 123456, UTC)


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize("source", ["", "f"])
def test_cursor_comes_back_as_it_was(source: str) -> None:
    """To the microsecond, or a run would be told twice or never."""
    cursor = Cursor(Position(NOW, "0e1c"), source)
    assert Cursor.parse(str(cursor)) == cursor


@pytest.mark.parametrize(
    "text",
    ["x", "é", "AAAA", "=", "a" * 200, _encoded("a b"), _encoded(" 2026-11-21T05:00:00 1"),
     _encoded(" 9999-12-31T23:59:59-23:59 1"), _encoded(" 2026-11-21T05:00:00Z ../x"), _encoded(" now 1")],
)  # fmt: skip
def test_what_is_no_cursor_is_refused(text: str) -> None:
    """It is the client's mistake, and says so, whatever it is."""
    with pytest.raises(InputInvalidError, match="cursor"):
        Cursor.parse(text)


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 40)), unique_by=lambda one: one[1], max_size=30),
    st.integers(1, 7),
    st.booleans(),
)
def test_pages_hold_each_once_in_their_order(given: list[tuple[int, int]], limit: int, newest: bool) -> None:
    """Whatever has one time, and in whatever order that comes: no row is lost or told twice."""
    every = [Position(NOW + timedelta(seconds=seconds), f"{id:03}") for seconds, id in given]
    by_time = sorted(every, key=lambda one: one.at, reverse=newest)
    told: list[Position] = []
    after: Position | None = None
    more = True
    while more:
        left = (one for one in by_time if after is None or (one.at <= after.at if newest else one.at >= after.at))
        page, more = first(left, lambda one: one, after, limit, newest=newest)
        assert len(page) == limit or not more
        told += page
        after = told[-1] if told else None
    assert told == sorted(every, reverse=newest)


def test_no_more_is_read_than_is_needed() -> None:
    """A page out of a million costs what a page costs."""
    read = []

    def rows() -> "object":
        for number in range(1000):
            read.append(number)
            yield Position(NOW + timedelta(seconds=number), str(number))

    page, more = first(rows(), lambda one: one, None, 5, newest=False)  # type: ignore[arg-type, var-annotated]
    assert (len(page), more, len(read)) == (5, True, 6)
