"""What a file's columns hold, as a contract would say it."""

import keyword
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandera.polars as pa
import polars as pl

from sluice.casting import cast

# A value in a hundred may be wrong: it is for the quarantine, and must not make text of a column of numbers.
_WRONG = 0.01
_TYPES: dict[str, pl.DataType] = {
    "Int64": pl.Int64(), "Float64": pl.Float64(), "Boolean": pl.Boolean(), "Date": pl.Date(), "Datetime": pl.Datetime(),
}  # fmt: skip
_RESERVED = {name for name in dir(pa.DataFrameModel) if not name.startswith("_")}
_SHOWN = 4


@dataclass(frozen=True)
class Column:
    """Attributes:
    source: its name in the file.
    name: the same as a name in Python.
    dtype: the name of a Polars type.
    missing: share of rows without a value.
    negative: how many numbers are below 0.
    low, high: of numbers, as seen; None of others.
    distinct: how many values there are.
    unique: (nearly) every row has one that no other has.
    values: some of them, in order.
    """

    source: str
    name: str
    dtype: str
    rows: int
    missing: float
    negative: int
    low: float | None
    high: float | None
    distinct: int
    unique: bool
    values: tuple[Any, ...]

    @property
    def nullable(self) -> bool:
        return self.missing > 0

    @property
    def is_rarely_negative(self) -> bool:
        return 0 < self.negative <= _WRONG * self.rows

    @property
    def is_always_there(self) -> bool:
        """But for rows that are wrong."""
        return self.missing <= _WRONG

    @property
    def is_number(self) -> bool:
        return self.dtype in {"Int64", "Float64"}

    @property
    def is_time(self) -> bool:
        return self.dtype in {"Date", "Datetime"}

    def bounds(self) -> dict[str, float]:
        """What a value may be: as far again as half of what was seen, and nothing below 0 where (nearly) nothing is."""
        if self.low is None or self.high is None:
            return {}
        whole, span = self.dtype == "Int64", self.high - self.low or abs(self.high) or 1
        if not whole and self.low >= 0 and self.high <= 1:
            return {"ge": 0, "le": 1}
        low = 0 if self.low >= 0 or self.is_rarely_negative else -_round_up(span / 2 - self.low, whole)
        return {"ge": low, "le": _round_up(self.high + span / 2, whole)}

    def seen(self) -> str:
        """For a comment."""
        if self.low is not None:
            few = f"GUESS: {self.negative} below 0 are wrong; " if self.is_rarely_negative else ""
            return f"{few}seen {self.low:,.6g} to {self.high:,.6g}"
        shown = ", ".join(str(value)[:24] for value in self.values[:_SHOWN])
        return f"seen {shown}" + (f" and {self.distinct - _SHOWN:,} more" if self.distinct > _SHOWN else "")


def columns_of(frame: pl.DataFrame, names: dict[str, str] | None = None) -> list[Column]:
    """The columns that hold anything, in the frame's order.

    Args:
        names: those that shall have a name of their own, by their name in the file.
    """
    chosen = identifiers(frame.columns, names or {})
    return [_column(frame[name], chosen[name]) for name in frame.columns if frame[name].null_count() < frame.height]


def identifiers(columns: Iterable[str], given: dict[str, str]) -> dict[str, str]:
    """A name in Python for each name of a file, in snake case, none twice."""
    found: dict[str, str] = dict(given)
    for column in columns:
        if column in found:
            continue
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column)
        name = re.sub(r"\W+", "_", snake, flags=re.ASCII).strip("_").lower() or "column"
        name = f"c_{name}" if name[0].isdigit() else name
        name = f"{name}_" if keyword.iskeyword(name) else f"{name}_value" if name in _RESERVED else name
        number, free = 2, name
        while free in found.values():
            free, number = f"{name}_{number}", number + 1
        found[column] = free
    return found


def _column(values: pl.Series, name: str) -> Column:
    dtype = _dtype(values)
    typed = (cast(values, _TYPES[dtype]) if dtype in _TYPES else values.cast(pl.String)).drop_nulls()
    number = typed.dtype.is_numeric()
    distinct = typed.n_unique()
    return Column(
        source=values.name,
        name=name,
        dtype=dtype,
        rows=len(values),
        missing=values.null_count() / len(values),
        negative=int((typed < 0).sum()) if number else 0,
        low=float(typed.min()) if number else None,  # type: ignore[arg-type]
        high=float(typed.max()) if number else None,  # type: ignore[arg-type]
        distinct=distinct,
        unique=distinct >= (1 - _WRONG) * len(values),
        values=tuple(typed.unique().sort().head(20)),
    )


def _dtype(values: pl.Series) -> str:
    """The narrowest type that (nearly) all values are of."""
    if values.dtype.is_integer():
        return "Int64"
    if values.dtype.is_numeric():
        return "Float64"
    native = {pl.Boolean: "Boolean", pl.Date: "Date", pl.Datetime: "Datetime"}.get(values.dtype.base_type())
    if native or values.dtype != pl.String:
        return native or "String"
    # Digits behind a zero are a code, such as a postal one, and would not come back.
    is_code = bool(values.str.contains(r"^0\d").any())
    for dtype in ("Date", "Datetime") if is_code else _TYPES:
        failed = cast(values, _TYPES[dtype]).null_count() - values.null_count()
        if failed <= _WRONG * (len(values) - values.null_count()):
            return dtype
    return "String"


def _round_up(value: float, whole: bool) -> float:
    """To two digits; away from zero."""
    step = 10 ** (math.floor(math.log10(abs(value))) - 1) if value else 1
    rounded = math.ceil(value / step) * step
    return math.ceil(rounded) if whole or rounded >= 100 else float(f"{rounded:.3g}")
