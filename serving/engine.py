"""How a version computes the answer to a matrix: compiled, on arrays, or as MLflow would, on a data frame."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from mlflow.pyfunc import PyFuncModel

from serving.row_schema import Matrix, RowSchema
from sluice.compiled import Compiled

MANY = 32
_ROUNDS = 5


@dataclass(frozen=True)
class Engine:
    """Attributes:
    kind: compiled, array or frame.
    predict: gives None for rows that are not for it, but for ``fallback``.
    one, many: seconds for 1 and for `MANY` rows.
    splits: whether the answer has an entry a row.
    """

    kind: str
    predict: Callable[[Matrix], Any]
    one: float
    many: float
    splits: bool
    fallback: Callable[[Matrix], Any] | None = None

    def whole(self, matrix: Matrix) -> Any:
        """The answer, by the fallback if need be."""
        answer = self.predict(matrix)
        return self.fallback(matrix) if answer is None and self.fallback is not None else answer

    @property
    def per_row(self) -> float:
        """What another row of a request costs, in seconds."""
        return max((self.many - self.one) / (MANY - 1), self.one / 100)


def choose(model: PyFuncModel, rows: RowSchema, compiled: Compiled | None = None) -> Engine:
    """The quickest that gives what the model itself gives."""
    sample = _sample(model, rows)

    def on_frame(matrix: Matrix) -> Any:
        return model.predict(rows.frame(matrix))

    if compiled is not None and compiled.predict(sample) is not None:
        return replace(_timed("compiled", compiled.predict, sample), fallback=on_frame)
    on_array = _array_predict(model)
    if on_array is not None and _agrees(on_array, on_frame, sample):
        return _timed("array", on_array, sample)
    return _timed("frame", on_frame, sample)


def _array_predict(model: PyFuncModel) -> Callable[[Matrix], Any] | None:
    """scikit-learn's own method: a data frame only carries names to it, and costs more than many models."""
    flavour = model.metadata.flavors.get("sklearn")
    if flavour is None:
        return None
    name = model.metadata.flavors["python_function"].get("predict_fn", "predict")
    method: Callable[[Matrix], Any] | None = getattr(model.get_raw_model(), name, None)
    return method


def _agrees(array: Callable[[Matrix], Any], frame: Callable[[Matrix], Any], sample: Matrix) -> bool:
    try:
        ours, theirs = array(sample), frame(sample)
    except Exception:  # such as a pipeline that picks columns by their names
        return False
    return (
        isinstance(ours, np.ndarray)
        and isinstance(theirs, np.ndarray)
        and ours.dtype == theirs.dtype
        and np.array_equal(ours, theirs, equal_nan=ours.dtype.kind == "f")
    )


def _sample(model: PyFuncModel, rows: RowSchema) -> Matrix:
    """Rows of the input example, or zeros where there is none that fits."""
    example = model.input_example
    found = rows.of_frame(example) if isinstance(example, pd.DataFrame | np.ndarray) else None
    if found is None or not len(found) or not np.isfinite(found).all():
        found = np.zeros((1, rows.width))
    return np.resize(found, (MANY, rows.width))


def _timed(kind: str, predict: Callable[[Matrix], Any], sample: Matrix) -> Engine:
    answer = predict(sample)
    splits = isinstance(answer, np.ndarray | pd.DataFrame | pd.Series | list) and len(answer) == len(sample)
    return Engine(kind, predict, _seconds(predict, sample[:1]), _seconds(predict, sample), splits)


def _seconds(predict: Callable[[Matrix], Any], sample: Matrix) -> float:
    """The least of some rounds: what it costs when nothing else runs."""
    best = float("inf")
    for _ in range(_ROUNDS):
        started = perf_counter()
        predict(sample)
        best = min(best, perf_counter() - started)
    return best
