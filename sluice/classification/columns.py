"""The preparation that training and serving share: columns in their order, as numbers, each in its range."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sluice.errors import InputInvalidError

Matrix = NDArray[np.float64]


class Column(NamedTuple):
    """An input of a classifier.

    Attributes:
        low, high: values outside were never trained on, so none is predicted for.
        direction: 1 where the probability may only rise with the value, -1 where it may only fall, 0 for either.
    """

    name: str
    low: float = -np.inf
    high: float = np.inf
    direction: int = 0


def matrix(frame: pd.DataFrame, columns: Sequence[Column]) -> Matrix:
    """The columns as numbers, shape (rows, columns).

    Raises:
        InputInvalidError: a column is missing, or a value is missing, no number or out of range; it names the column
            and the first such row.
    """
    missing = [column.name for column in columns if column.name not in frame]
    if missing:
        raise InputInvalidError(field=missing[0], problem="the input has no such column")
    return np.column_stack([_numbers(frame[column.name], column) for column in columns])


def _numbers(given: "pd.Series[float]", column: Column) -> Matrix:
    numbers = pd.to_numeric(given, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    # A comparison with NaN is false, so this finds what is missing as well.
    bad = np.flatnonzero(~((numbers >= column.low) & (numbers <= column.high) & np.isfinite(numbers)))
    if bad.size:
        value = given.iloc[bad[0]]
        found = "it is missing" if pd.isna(value) else f"{str(value)!r} is not a number"
        if np.isfinite(numbers[bad[0]]):
            found = f"{numbers[bad[0]]:g} is not from {column.low:g} to {column.high:g}"
        raise InputInvalidError(field=column.name, problem=f"row {bad[0]}: {found}")
    return numbers
