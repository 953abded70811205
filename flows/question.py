"""How a model is asked about the rows of a table: which columns it reads, as what, and what stays beside its answer.

The flow's process holds it too, so this imports nothing that answering needs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from sluice.casting import cast


@dataclass(frozen=True)
class Question:
    """Attributes:
    reads: the columns that the model is given, in its order, with the type it wants; None: as the table has it.
    matrix: NumPy's name of a type, where the model takes a matrix of shape (rows, columns) and no frame.
    keeps: the columns of the table that stand beside the prediction.
    distinct: rows that agree in all of these are asked about once.
    """

    reads: dict[str, pl.DataType | None]
    matrix: str | None
    keeps: tuple[str, ...]
    distinct: bool

    @property
    def columns(self) -> list[str]:
        """All that is read of the table."""
        return list(dict.fromkeys((*self.keeps, *self.reads)))

    def typed(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
        """What the model reads of the rows, in its types, and what is wrong with a row (text), null if nothing is."""
        asked = rows.select(
            rows[name] if dtype is None else cast(rows[name], dtype) for name, dtype in self.reads.items()
        )
        problem = pl.Series("error", [None] * rows.height, dtype=pl.String)
        for mask, text in self._problems(rows, asked):
            if mask.any():
                problem = problem.set(mask & problem.is_null(), text)
        return asked, problem

    def _problems(self, rows: pl.DataFrame, asked: pl.DataFrame) -> Iterator[tuple[pl.Series, str]]:
        for name, dtype in self.reads.items():
            lost = asked[name].is_null()
            if dtype is not None and rows.schema[name] != dtype:
                yield rows[name].is_not_null() & lost, f"{name}: not a {dtype}"
            # NumPy has no missing value for these; MLflow would refuse the whole chunk for one of them.
            if dtype is not None and (dtype.is_integer() or dtype == pl.Boolean):
                yield lost, f"{name}: missing"

    def form(self, asked: pl.DataFrame) -> Any:
        """As ``predict`` takes it: a pandas frame, or a matrix."""
        return asked.to_pandas() if self.matrix is None else asked.to_numpy().astype(self.matrix)
