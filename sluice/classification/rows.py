"""Labelled rows as a classifier is fitted on them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sluice.classification.columns import Column, Matrix, matrix


@dataclass(frozen=True)
class LabelledRows:
    """``x`` of shape (rows, columns) and ``y`` of shape (rows,), 1 for the positive class and 0 for the other."""

    columns: tuple[Column, ...]
    x: Matrix
    y: NDArray[np.int64]

    @classmethod
    def of(cls, frame: pd.DataFrame, columns: tuple[Column, ...], label: str) -> "LabelledRows":
        """Prepared as the model prepares what it is asked about.

        Raises:
            InputInvalidError: see `matrix`.
        """
        return cls(columns, matrix(frame, columns), frame[label].to_numpy(dtype=np.int64))
