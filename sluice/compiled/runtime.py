"""A compiled model in ONNX Runtime."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sluice.compiled.convert import ROWS
from sluice.compiled.inputs import Matrix


class Agreement(NamedTuple):
    """How far a compiled form was from the original: labels are equal in all rows, numbers within the tolerance.

    Attributes:
        rows: how many were compared.
        max_absolute, max_relative: the largest differences of numbers; 0 for labels.
        absolute, relative: what was tolerated, absolute plus relative times the original's.
        nan: whether rows with NaN were compared too and agreed; otherwise they are the original's to answer.
    """

    rows: int
    max_absolute: float
    max_relative: float
    absolute: float
    relative: float
    nan: bool


class Answer(NamedTuple):
    """What the original answers with.

    Attributes:
        dtype: of the array that it gives.
        flat: shape (rows,), and not (rows, outputs).
        classes: what the graph's output is an index into, if it is one.
    """

    dtype: np.dtype[Any]
    flat: bool
    classes: NDArray[Any] | None = None


@dataclass(frozen=True)
class Form:
    """What is compiled, and for which questions.

    Attributes:
        model: the ONNX model's bytes.
        columns: of the matrix; positions, where the signature is a tensor.
        limit: the largest absolute value that was compared.
    """

    model: bytes
    columns: tuple[str, ...]
    limit: float
    answer: Answer


class Compiled:
    """Answers as the original does, in its types. Safe for several threads; it starts none of its own."""

    dtype = np.dtype(np.float64)

    def __init__(self, form: Form, agreement: Agreement) -> None:
        self.form = form
        self.agreement = agreement
        self.columns = form.columns
        self._session = _session(form.model)
        self._outputs = [self._session.get_outputs()[0].name]
        self._square = form.limit**2
        self._answer = form.answer
        self._same = form.answer.classes is None and form.answer.dtype == _element(self._session.get_outputs()[0].type)

    def predict(self, matrix: Matrix) -> NDArray[Any] | None:
        """
        Args:
            matrix: shape (rows, columns), C-contiguous float64, in the order of ``columns``.

        Returns:
            What the original's ``predict`` gives for these rows; None where one of them is beyond what was compared
            (too large, infinite, or NaN where it cannot have it): those are for the original.
        """
        # A comparison with NaN is false, and no sum of squares hides a large value.
        if not np.vdot(matrix, matrix) <= self._square and not self._covers(matrix):
            return None
        return self.raw(matrix)

    def raw(self, matrix: Matrix) -> NDArray[Any]:
        """As `predict`, whatever the rows are."""
        found: NDArray[Any] = self._session.run(self._outputs, {ROWS: matrix})[0]
        classes, flat = self._answer.classes, self._answer.flat
        if flat:
            found = found.ravel()
        if classes is not None:
            return classes.take(found)
        return found if self._same else found.astype(self._answer.dtype)

    def _covers(self, matrix: Matrix) -> bool:
        if math.isnan(np.vdot(matrix, matrix)):
            if not self.agreement.nan or np.isinf(matrix).any():
                return False
            matrix = np.nan_to_num(matrix, nan=0.0)
        return bool((np.abs(matrix) <= self.form.limit).all())


def _session(model: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # The service's own threads are what runs side by side; another pool of threads would wait for the cores they use.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # it warns about what its own optimiser leaves
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _element(kind: str) -> Any:
    return {"tensor(double)": np.float64, "tensor(float)": np.float32, "tensor(int64)": np.int64}.get(kind)
