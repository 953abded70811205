"""Data contracts: split a frame into rows that are accepted and rows that are quarantined, each with its reasons.

No row vanishes: accepted plus quarantined is what came in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from sluice.casting import cast

if TYPE_CHECKING:
    import pandera.polars as pa

ROW = "_row"
REASON = "reason"


@dataclass(frozen=True)
class Verdict:
    """``accepted`` has the contract's columns and types, ``quarantined`` `REASON` and ``row``: what came, as JSON."""

    accepted: pl.DataFrame
    quarantined: pl.DataFrame


def validate(frame: pl.DataFrame, schema: "type[pa.DataFrameModel]", key: Sequence[str]) -> Verdict:
    """Check each row of a collected frame (a LazyFrame would pass wrong values silently).

    A row is refused when a column of the contract is missing, a value is not of its type, a check of the schema
    fails, or an earlier accepted row of the frame has the same key. Columns outside the contract are dropped.
    """
    rows = frame.with_row_index(ROW)
    dtypes = {name: _dtype(column) for name, column in schema.to_schema().columns.items()}
    missing = [name for name in dtypes if name not in frame.columns]
    if missing:
        every = rows.select(ROW, pl.lit(f"missing column: {', '.join(missing)}").alias(REASON))
        return _split(rows, rows.select(ROW, *(pl.lit(None, t).alias(n) for n, t in dtypes.items())), every)
    typed = pl.DataFrame([rows[ROW], *(cast(rows[name], dtype) for name, dtype in dtypes.items())])
    reasons = pl.concat(
        [
            *(_uncastable(rows, typed, name, dtype) for name, dtype in dtypes.items() if rows.schema[name] != dtype),
            _failed_checks(typed, schema),
        ]
    )
    # Only among rows that are good otherwise: a refused row must not take the good one of its key with it.
    good = typed.join(reasons, on=ROW, how="anti", maintain_order="left")
    duplicates = good.filter(~pl.struct(*key).is_first_distinct()).select(
        ROW, pl.lit(f"duplicate of an earlier row with the same {', '.join(key)}").alias(REASON)
    )
    return _split(rows, typed, pl.concat([reasons, duplicates]))


def _dtype(column: Any) -> pl.DataType:
    dtype: pl.DataType = column.dtype.type
    return dtype


def _uncastable(rows: pl.DataFrame, typed: pl.DataFrame, name: str, dtype: pl.DataType) -> pl.DataFrame:
    failed = rows[name].is_not_null() & typed[name].is_null()
    return rows.filter(failed).select(ROW, pl.lit(f"{name}: not a {dtype}").alias(REASON))


def _failed_checks(typed: pl.DataFrame, schema: "type[pa.DataFrameModel]") -> pl.DataFrame:
    from pandera.errors import SchemaErrors

    try:
        schema.validate(typed.drop(ROW), lazy=True)
    except SchemaErrors as errors:
        cases: pl.DataFrame = errors.failure_cases
        return cases.select(
            pl.col("index").cast(pl.UInt32).alias(ROW), pl.format("{}: {}", "column", "check").alias(REASON)
        ).drop_nulls()
    return pl.DataFrame(schema={ROW: pl.UInt32, REASON: pl.String})


def _split(rows: pl.DataFrame, typed: pl.DataFrame, reasons: pl.DataFrame) -> Verdict:
    by_row = reasons.group_by(ROW).agg(pl.col(REASON).unique().sort().str.join("; "))
    accepted = typed.join(by_row, on=ROW, how="anti", maintain_order="left").drop(ROW)
    refused = rows.join(by_row, on=ROW, maintain_order="left")
    original = [name for name in rows.columns if name != ROW]
    return Verdict(accepted, refused.select(REASON, row=pl.struct(original).struct.json_encode()))
