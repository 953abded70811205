"""Values as the type that a contract wants."""

from datetime import UTC, date, datetime, time
from typing import Any

import polars as pl
import pytest

from sluice.casting import cast

TEN = datetime(2026, 1, 1, 10)


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        (["1", " 2 ", "1.5", "x", None], pl.Int64(), [1, 2, None, None, None]),
        (["1", "2.5", "x"], pl.Float64(), [1.0, 2.5, None]),
        ([1.0, 1.5, None], pl.Int64(), [1, None, None]),
        ([1, 300], pl.Int8(), [1, None]),
        (["true", "No", "1", "x", None], pl.Boolean(), [True, False, True, None, None]),
        (["2026-01-01", "2026-13-01"], pl.Date(), [date(2026, 1, 1), None]),
        (["10:00:00", "25:00:00"], pl.Time(), [time(10), None]),
        (["2026-01-01 10:00", "2026-01-01T12:00:00+02:00", "x"], pl.Datetime("us"), [TEN, TEN, None]),
        (
            ["2026-01-01T10:00:00Z", "2026-01-01T10:00:00", "2026-01-01T12:00+0200", "2026-01-01", ""],
            pl.Datetime("ms", "UTC"),
            [*[TEN.replace(tzinfo=UTC)] * 3, datetime(2026, 1, 1, tzinfo=UTC), None],
        ),
        ([[1], [2]], pl.Int64(), [None, None]),
        ([1, 2], pl.String(), ["1", "2"]),
        ([None, None], pl.Int64(), [None, None]),
        (["x"], pl.List(pl.Int64()), [None]),
    ],
)
def test_a_value_is_read_as_the_type_or_becomes_null(
    values: list[Any], dtype: pl.DataType, expected: list[Any]
) -> None:
    """Nothing is cut to fit, and no value fails the others."""
    found = cast(pl.Series("x", values), dtype)
    assert found.dtype == dtype
    assert found.to_list() == expected
