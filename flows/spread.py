"""How predictions are spread, in a line a column."""

from typing import Any

import polars as pl

from flows.answer import RESERVED
from sluice.dataset import Dataset

_MAX_COLUMNS = 20
# With more distinct values than this, numbers are counted by tenths of their range, and text is not.
_MAX_VALUES = 10
_BINS = 10


def spread(predictions: Dataset, keeps: tuple[str, ...]) -> list[dict[str, Any]]:
    """Nulls, range and shares of each column that the model gave; of a list, its length. In passes that hold no table.

    The shares are of single values where there are few, else of tenths of the range, from the lowest.
    """
    frame = predictions.scan()
    told = {name: dtype for name, dtype in predictions.schema.items() if name not in {*keeps, *RESERVED}}
    return [_line(frame, name, dtype) for name, dtype in list(told.items())[:_MAX_COLUMNS]]


def _line(frame: pl.LazyFrame, name: str, dtype: pl.DataType) -> dict[str, Any]:
    column = pl.col(name)
    line = {"column": name, "type": str(dtype), "missing": frame.select(column.null_count()).collect().item()}
    if isinstance(dtype, pl.List):
        line["column"], values = f"{name} (length)", column.list.len().cast(pl.Float64)
    elif dtype.is_numeric() or dtype == pl.Boolean:
        values = column.cast(pl.Float64)
    elif dtype == pl.String:
        return {**line, "min": None, "mean": None, "max": None, "shares": _shares(frame.select(value=column))}
    else:
        return line
    # Infinite values have no place in a range.
    known = frame.select(value=values).filter(pl.col("value").is_finite())
    low, mean, high = (
        known.select(low=pl.min("value"), mean=pl.mean("value"), high=pl.max("value"))
        .collect(engine="streaming")
        .row(0)
    )
    shares = "" if low is None else _shares(known) or _tenths(known, low, high)
    return {**line, "min": low, "mean": mean, "max": high, "shares": shares}


def _shares(frame: pl.LazyFrame) -> str:
    """Of each value, largest first; empty where there are many."""
    value = pl.col("value")
    if frame.select(value.approx_n_unique()).collect(engine="streaming").item() > _MAX_VALUES:
        return ""
    counted = frame.drop_nulls().group_by(value).len().collect(engine="streaming").sort("len", "value", descending=True)
    rows = counted["len"].sum()
    return ", ".join(
        f"{number:g}: {n / rows:.1%}" if isinstance(number, float) else f"{number}: {n / rows:.1%}"
        for number, n in counted.iter_rows()
    )


def _tenths(frame: pl.LazyFrame, low: float, high: float) -> str:
    tenth = ((pl.col("value") - low) / (high - low) * _BINS).floor().clip(0, _BINS - 1).cast(pl.Int64)
    counted = dict(frame.group_by(tenth.alias("bin")).len().collect(engine="streaming").iter_rows())
    rows = sum(counted.values())
    return " ".join(f"{counted.get(number, 0) / rows:.0%}" for number in range(_BINS))
