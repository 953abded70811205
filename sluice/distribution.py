"""How the values of a table are distributed, in a few numbers, and whether new rows are unlike those before them.

The contract judges a row alone; this judges a batch. Each version of a raw table carries the profile of all its rows,
so a comparison reads the new rows only.
"""

from collections.abc import Iterable, Iterator
from functools import reduce
from typing import Literal, NamedTuple, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

# A column with more distinct values than this has no categories.
_MAX_CATEGORIES = 50
Action = Literal["off", "warn", "stop"]


class Check(BaseModel):
    """One line of ``checks:`` in use_case.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Action = Field("warn", description="stop: nothing is written, the run fails")
    tolerance: float = Field(0.0, ge=0, description="how much is let pass; what it counts depends on the check")


class Checks(BaseModel):
    """``checks:``: new rows against the last version of the raw table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    row_count: Check = Field(Check(tolerance=0.9), description="rows that came; tolerance: share more or fewer")
    null_share: Check = Field(Check(tolerance=0.05), description="of a column; tolerance: added share")
    range: Check = Field(Check(tolerance=0.1), description="of numbers and times; tolerance: share of the known range")
    new_categories: Check = Field(Check(), description="values of a text column with few; tolerance: share of rows")


class Column(BaseModel):
    """One column's figures; times in seconds since 1970. ``categories``: rows by value, None where there are many."""

    model_config = ConfigDict(frozen=True)

    nulls: int
    low: float | None = None
    high: float | None = None
    categories: dict[str, int] | None = None

    def merged(self, other: "Column") -> "Column":
        lows = [low for low in (self.low, other.low) if low is not None]
        highs = [high for high in (self.high, other.high) if high is not None]
        return Column(
            nulls=self.nulls + other.nulls,
            low=min(lows, default=None),
            high=max(highs, default=None),
            categories=_merged(self.categories, other.categories),
        )


class Profile(BaseModel):
    """``rows``: of the table. ``arrived``: what the last ingest brought, known rows included."""

    model_config = ConfigDict(frozen=True)

    rows: int
    arrived: int
    columns: dict[str, Column]

    @classmethod
    def of(cls, frame: pl.LazyFrame, arrived: int = 0) -> Self:
        """In one pass that holds no more than one column's distinct values."""
        schema, columns = frame.collect_schema(), {}
        measured = frame.select(pl.len().alias("rows"), *_measures(schema)).collect(engine="streaming")
        row = measured.row(0, named=True)
        for name, dtype in schema.items():
            categories = None
            if dtype == pl.String and row[f"{name}.distinct"] <= _MAX_CATEGORIES:
                counted = (
                    frame.select(pl.col(name).drop_nulls().value_counts()).unnest(name).collect(engine="streaming")
                )
                categories = dict(counted.iter_rows())
            columns[name] = Column(
                nulls=row[f"{name}.nulls"],
                low=row.get(f"{name}.low"),
                high=row.get(f"{name}.high"),
                categories=categories,
            )
        return cls(rows=row["rows"], arrived=arrived, columns=columns)

    @classmethod
    def of_parts(cls, parts: "Iterable[Profile]", arrived: int = 0) -> "Profile":
        """Of all rows, from those of some each."""
        whole = reduce(Profile.merged, parts, Profile(rows=0, arrived=0, columns={}))
        return whole.model_copy(update={"arrived": arrived})

    def merged(self, later: "Profile") -> "Profile":
        """Of the table after ``later``'s rows were added."""
        if not self.rows:
            return later
        both = {
            name: column.merged(later.columns[name]) if name in later.columns else column
            for name, column in self.columns.items()
        }
        return Profile(rows=self.rows + later.rows, arrived=later.arrived, columns={**later.columns, **both})


class Shift(NamedTuple):
    """One way in which new rows are unlike the ones before."""

    action: Action
    text: str


def shifts(before: Profile, new: Profile, checks: Checks) -> list[Shift]:
    """What the checks have to say. Nothing where there was nothing before, or where nothing new came."""
    return [shift for shift in _shifts(before, new, checks) if shift.action != "off"]


def _shifts(before: Profile, new: Profile, checks: Checks) -> Iterator[Shift]:
    if before.arrived:
        change = new.arrived / before.arrived - 1
        if abs(change) > checks.row_count.tolerance:
            yield Shift(
                checks.row_count.action, f"rows: {new.arrived} came, {before.arrived} the time before ({change:+.0%})"
            )
    if not before.rows or not new.rows:
        return
    for name, column in new.columns.items():
        if name in before.columns:
            yield from _column_shifts(name, before.columns[name], column, before.rows, new.rows, checks)


def _column_shifts(
    name: str, before: Column, new: Column, rows_before: int, rows_new: int, checks: Checks
) -> Iterator[Shift]:
    share_before, share_new = before.nulls / rows_before, new.nulls / rows_new
    if share_new - share_before > checks.null_share.tolerance:
        yield Shift(checks.null_share.action, f"{name}: {share_new:.1%} are missing, {share_before:.1%} before")
    if before.low is not None and before.high is not None and new.low is not None and new.high is not None:
        allowed = checks.range.tolerance * (before.high - before.low)
        if new.low < before.low - allowed or new.high > before.high + allowed:
            text = f"{name}: from {new.low:g} to {new.high:g}, {before.low:g} to {before.high:g} before"
            yield Shift(checks.range.action, text)
    if before.categories and new.categories is not None:
        unknown = {value: count for value, count in new.categories.items() if value not in before.categories}
        if sum(unknown.values()) / rows_new > checks.new_categories.tolerance:
            named = ", ".join(sorted(unknown)[:5]) + (", …" if len(unknown) > 5 else "")
            yield Shift(checks.new_categories.action, f"{name}: values that were not there before: {named}")


def _measures(schema: pl.Schema) -> Iterator[pl.Expr]:
    for name, dtype in schema.items():
        column = pl.col(name)
        yield column.null_count().alias(f"{name}.nulls")
        if dtype == pl.String:
            yield column.approx_n_unique().alias(f"{name}.distinct")
        elif dtype.is_numeric() or dtype in (pl.Date, pl.Datetime):
            number = column.dt.epoch("ms") / 1000 if dtype.is_temporal() else column.cast(pl.Float64)
            yield number.min().alias(f"{name}.low")
            yield number.max().alias(f"{name}.high")


def _merged(one: dict[str, int] | None, other: dict[str, int] | None) -> dict[str, int] | None:
    if one is None or other is None:
        return None
    both = {value: one.get(value, 0) + other.get(value, 0) for value in {**one, **other}}
    return both if len(both) <= _MAX_CATEGORIES else None
