"""A span of event time, as a backfill takes it: from, inclusive, to, exclusive."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import Self

import polars as pl
from pydantic import BaseModel, ConfigDict, model_validator

# A number above this counts milliseconds since 1970, one below it seconds: it is the year 5138 in the one, 1973 in
# the other.
_MILLISECONDS_ABOVE = 1e11


class Window(BaseModel):
    """Times are aware; a naive one is taken as UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: datetime
    end: datetime

    @model_validator(mode="before")
    @classmethod
    def _in_utc(cls, given: object) -> object:
        if isinstance(given, dict):
            return {name: _aware(value) for name, value in given.items()}
        return given

    @model_validator(mode="after")
    def _is_forwards(self) -> Self:
        if self.start >= self.end:
            raise ValueError(f"a window ends after it starts, not {self}")
        return self

    def __str__(self) -> str:
        return f"{_short(self.start)}..{_short(self.end)}"

    @property
    def interval(self) -> str:
        """As ISO 8601 writes it; `parse` reads it."""
        return f"{self.start.isoformat()}/{self.end.isoformat()}"

    @classmethod
    def parse(cls, interval: str) -> "Window":
        start, _, end = interval.partition("/")
        return cls.model_validate({"start": start, "end": end})

    def split(self, every: str) -> list["Window"]:
        """Windows side by side, the last one cut off at the end.

        Args:
            every: a number and h, d, w, mo, q or y, such as ``1mo``.

        Raises:
            ValueError: it is none.
        """
        try:
            starts = pl.datetime_range(self.start, self.end, every, closed="left", eager=True)
        except pl.exceptions.PolarsError:
            raise ValueError(f"{every!r} is no length of time; write a number and h, d, w, mo, q or y: 1mo") from None
        edges = [*starts.to_list(), self.end]
        return [Window(start=start, end=end) for start, end in pairwise(edges)]

    def holds(self, frame: pl.DataFrame, column: str) -> pl.DataFrame:
        """The rows whose time is in the window, and those without a readable one: the contract judges these.

        Args:
            column: times, dates, ISO 8601 text, or seconds or milliseconds since 1970.
        """
        moment = _moment(frame.schema[column], column)
        inside = (moment >= self.start) & (moment < self.end)
        return frame.filter(inside | moment.is_null())


def _moment(kind: pl.DataType, column: str) -> pl.Expr:
    value = pl.col(column)
    if isinstance(kind, pl.Datetime):
        return value.dt.replace_time_zone("UTC") if kind.time_zone is None else value.dt.convert_time_zone("UTC")
    if kind == pl.Date:
        return value.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    number = value.cast(pl.Float64, strict=False)
    seconds = pl.when(number.abs() > _MILLISECONDS_ABOVE).then(number / 1000).otherwise(number)
    counted = (seconds * 1e6).cast(pl.Int64, strict=False).cast(pl.Datetime("us", "UTC"))
    if not isinstance(kind, pl.String):
        return counted
    text = value.str.strip_chars()
    zoned = text.str.to_datetime(time_unit="us", time_zone="UTC", strict=False, format="%+")
    naive = [
        text.str.to_datetime(pattern, time_unit="us", strict=False).dt.replace_time_zone("UTC")
        for pattern in ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f")
    ]
    dated = text.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.coalesce(counted, zoned, *naive, dated)


def _aware(value: object) -> object:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if isinstance(moment, datetime):
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return value


def _short(moment: datetime) -> str:
    """Midnight is only a date."""
    at_midnight = (moment.hour, moment.minute, moment.second, moment.microsecond) == (0, 0, 0, 0)
    return f"{moment:%Y-%m-%d}" if at_midnight else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
