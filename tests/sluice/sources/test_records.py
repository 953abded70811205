"""Records of any shape as a frame."""

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from sluice.sources.records import to_frame

NOW = datetime(2026, 11, 21, 4, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([1, None], pl.Int64, [1, None]),
        ([1.5, 2.0], pl.Float64, [1.5, 2.0]),
        ([True, None], pl.Boolean, [True, None]),
        (["a", "é\ud800"], pl.String, ["a", "é?"]),
        ([NOW, None], pl.Datetime("us", "UTC"), [NOW, None]),
        ([None, None], pl.Null, [None, None]),
        ([9007199254740993, 0.5], pl.String, ["9007199254740993", "0.5"]),
        ([1, True], pl.String, ["1", "true"]),
        ([2**70, 1], pl.String, [str(2**70), "1"]),
        ([1, "oops"], pl.String, ["1", "oops"]),
        ([{"a": [1, "ü"]}, [None]], pl.String, ['{"a": [1, "ü"]}', "[null]"]),
        ([NOW, "later"], pl.String, [NOW.isoformat(), "later"]),
    ],
)
def test_values_of_one_kind_keep_it_and_mixed_ones_become_text(
    values: list[Any], dtype: Any, expected: list[Any]
) -> None:
    """No value is rounded, cut or lost because of what is beside it."""
    frame = to_frame([{"x": value} for value in values])
    assert frame.schema == {"x": dtype}
    assert frame["x"].to_list() == expected


def test_names_that_only_some_records_have_are_columns() -> None:
    """Null where a record does not have one; a record without names is a row too."""
    assert to_frame([{"a": 1}, {"b": 2}, {}]).rows() == [(1, None), (None, 2), (None, None)]
    assert to_frame([{}, {}]).height == 2
    assert to_frame([]).height == 0
