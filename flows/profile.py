"""A short description of rows: a line for each column."""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from sluice.dataset import Dataset
from sluice.distribution import Profile


def profile(dataset: Dataset) -> list[dict[str, Any]]:
    """Type, nulls, distinct values and range of each column, in one pass that does not hold the table in memory."""
    frame, schema = dataset.scan(), dataset.schema
    ranged = [name for name, dtype in schema.items() if dtype.is_numeric() or dtype.is_temporal() or dtype == pl.String]
    counted = [name for name, dtype in schema.items() if not dtype.is_nested()]
    measures = frame.select(
        pl.len().alias("rows"),
        *(pl.col(name).null_count().alias(f"{name}.nulls") for name in schema),
        *(pl.col(name).approx_n_unique().alias(f"{name}.distinct") for name in counted),
        *(pl.col(name).min().alias(f"{name}.min") for name in ranged),
        *(pl.col(name).max().alias(f"{name}.max") for name in ranged),
    ).collect(engine="streaming")
    row = measures.row(0, named=True)
    return [
        {
            "column": name,
            "type": str(dtype),
            "rows": row["rows"],
            "nulls": row[f"{name}.nulls"],
            "distinct (about)": row.get(f"{name}.distinct"),
            "min": _text(row.get(f"{name}.min")),
            "max": _text(row.get(f"{name}.max")),
        }
        for name, dtype in schema.items()
    ]


def profile_table(profile: Profile, schema: pl.Schema) -> list[dict[str, Any]]:
    """Type, nulls, range and, where they are few, values of each column, from what was measured on the way."""
    return [
        {
            "column": name,
            "type": str(schema[name]),
            "rows": profile.rows,
            "nulls": column.nulls,
            "min": _bound(column.low, schema[name]),
            "max": _bound(column.high, schema[name]),
            "values": "" if column.categories is None else ", ".join(sorted(column.categories))[:60],
        }
        for name, column in profile.columns.items()
        if name in schema
    ]


def _bound(value: float | None, dtype: pl.DataType) -> str:
    if value is None:
        return ""
    if dtype.is_temporal():
        return datetime.fromtimestamp(value, UTC).isoformat(" ")
    return str(int(value)) if dtype.is_integer() else str(value)


def _text(value: object) -> str:
    return "" if value is None else str(value)[:60]
