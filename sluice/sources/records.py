"""Records with nested values of any type (JSON, documents), as a frame that keeps every value as it was."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

_INT64 = range(-(2**63), 2**63)


def to_frame(records: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """One row a record, a column for every name that occurs.

    A column whose values are all of one kind has that type (whole numbers, floats, booleans, text, aware times).
    Anything else becomes text: nothing is rounded or cut to fit its neighbours, and the contract refuses single rows.
    Nested values are JSON text. A name that a record does not have is null there.
    """
    names = dict.fromkeys(name for record in records for name in record)
    columns = [_column(_clean(name), [record.get(name) for record in records]) for name in names]
    # Records without a name at all are rows too, which the contract will refuse.
    return pl.DataFrame(columns or [pl.Series("_", [None] * len(records), dtype=pl.Null)])


def _column(name: str, values: list[Any]) -> pl.Series:
    kinds = {type(value) for value in values} - {type(None)}
    if not kinds:
        return pl.Series(name, values, dtype=pl.Null)
    if kinds == {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    if kinds == {int} and all(value is None or value in _INT64 for value in values):
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds == {float}:
        return pl.Series(name, values, dtype=pl.Float64)
    if kinds == {datetime} and all(value is None or value.tzinfo is not None for value in values):
        return pl.Series(name, values, dtype=pl.Datetime("us", "UTC"))
    return pl.Series(name, [_text(value) for value in values], dtype=pl.String)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value if value is None else _clean(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool | int | float | Mapping | list):
        return _clean(json.dumps(value, ensure_ascii=False, default=str))
    return str(value)


def _clean(text: str) -> str:
    """A lone surrogate is allowed in JSON and impossible in UTF-8."""
    return text if text.isascii() else text.encode(errors="replace").decode()
