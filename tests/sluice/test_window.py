"""Spans of event time."""

from datetime import UTC, date, datetime

import polars as pl
import pytest
from pydantic import ValidationError

from sluice.window import Window

MARCH = Window(start="2016-03-01", end="2016-04-01")  # type: ignore[arg-type]  # as it is written on the command line


def test_months_are_split_as_the_calendar_has_them() -> None:
    """Each month once, without a gap, the last one cut off; as text they are dates."""
    windows = Window(start="2016-01-01", end="2016-03-15").split("1mo")  # type: ignore[arg-type]
    assert [str(window) for window in windows] == [
        "2016-01-01..2016-02-01",
        "2016-02-01..2016-03-01",
        "2016-03-01..2016-03-15",
    ]
    assert str(MARCH.split("12h")[1]) == "2016-03-01T12:00:00Z..2016-03-02"


@pytest.mark.parametrize("every", ["month", "1 month", "", "0d", "-1d"])
def test_a_wrong_length_says_how_one_is_written(every: str) -> None:
    """Before anything is started."""
    with pytest.raises(ValueError, match="write a number and h, d, w, mo, q or y"):
        MARCH.split(every)


def test_a_window_that_ends_before_it_starts_is_refused() -> None:
    """Also one without any length."""
    with pytest.raises(ValidationError, match="ends after it starts"):
        Window(start=MARCH.end, end=MARCH.start)


INSIDE, BEFORE, END = datetime(2016, 3, 5, 7, tzinfo=UTC), datetime(2016, 2, 29, 23, tzinfo=UTC), MARCH.end


@pytest.mark.parametrize(
    "values",
    [
        [INSIDE, BEFORE, END],
        [INSIDE.replace(tzinfo=None), BEFORE.replace(tzinfo=None), END.replace(tzinfo=None)],
        [date(2016, 3, 5), date(2016, 2, 29), date(2016, 4, 1)],
        [int(INSIDE.timestamp()), int(BEFORE.timestamp()), int(END.timestamp())],
        [INSIDE.timestamp() * 1000, BEFORE.timestamp() * 1000, END.timestamp() * 1000],
        [str(int(INSIDE.timestamp())), str(int(BEFORE.timestamp())), str(int(END.timestamp()))],
        ["2016-03-05T07:00:00Z", "2016-02-29T23:00:00+00:00", "2016-04-01T02:00:00+02:00"],
        ["2016-03-05T07:00:00.250", "2016-02-29 23:00:00", "2016-04-01"],
    ],
)
def test_rows_inside_are_held_whatever_form_their_time_has(values: list[object]) -> None:
    """The start belongs to a window, the end to the next one."""
    frame = pl.DataFrame({"row": ["inside", "before", "end"], "at": values})
    assert MARCH.holds(frame, "at")["row"].to_list() == ["inside"]


def test_rows_without_a_readable_time_are_kept() -> None:
    """They reach the contract, which refuses them with a reason; nothing vanishes here."""
    frame = pl.DataFrame({"row": [1, 2, 3], "at": ["yesterday", None, "2017-01-01"]})
    assert MARCH.holds(frame, "at")["row"].to_list() == [1, 2]
