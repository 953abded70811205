"""Several measurements of one thing, as their median and their range."""

import statistics
from collections.abc import Iterable
from typing import Self

from pydantic import BaseModel, ConfigDict


class Spread(BaseModel):
    """Seconds, mebibytes or whatever was measured. The median, since a busy machine makes outliers upwards only."""

    model_config = ConfigDict(frozen=True)

    median: float
    lowest: float
    highest: float
    runs: int

    @classmethod
    def of(cls, measured: Iterable[float]) -> Self:
        """Of at least one measurement."""
        values = sorted(measured)
        return cls(median=statistics.median(values), lowest=values[0], highest=values[-1], runs=len(values))

    def __str__(self) -> str:
        if self.runs == 1:
            return f"{_short(self.median)}"
        return f"{_short(self.median)} ({_short(self.lowest)} to {_short(self.highest)})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.4f}"
