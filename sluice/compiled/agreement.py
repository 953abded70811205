"""Whether a compiled form answers as the original does."""

from collections.abc import Callable
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sluice.compiled import sample
from sluice.compiled.inputs import Inputs, Matrix
from sluice.compiled.runtime import Agreement, Answer, Compiled, Form
from sluice.errors import NotCompiledError

ABSOLUTE, RELATIVE = 1e-6, 1e-5
# The original may be slow, and a training run waits.
SECONDS = 60.0
_ROWS_AT_ONCE = 512


def agreed(form: Form, inputs: Inputs, original: Callable[[Any], Any], matrix: Matrix) -> Compiled:
    """Ask both about ``matrix``, rows beside the original's decisions, and rows with NaN, together and one by one.

    Raises:
        NotCompiledError: they differ, with the worst row; or the original fails, or takes longer than `SECONDS`.
    """
    deadline = monotonic() + SECONDS

    def asked(rows: Matrix) -> NDArray[Any]:
        parts = []
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            if monotonic() > deadline:
                raise NotCompiledError(reason=f"comparing takes longer than {SECONDS:g} s")
            parts.append(np.asarray(original(inputs.asked(rows[start : start + _ROWS_AT_ONCE]))))
        return np.concatenate(parts)

    try:
        compiled = Compiled(form, Agreement(0, 0.0, 0.0, ABSOLUTE, RELATIVE, nan=False))
    except Exception as error:  # ONNX Runtime has exceptions of its own, one for each of its states
        text = " ".join(str(error).split())[:200]
        raise NotCompiledError(reason=f"ONNX Runtime does not take what it was converted to: {text}") from error
    wanted = asked(matrix)
    if wanted.ndim == 1 and wanted.dtype.kind not in "f":
        edges = inputs.fitted(sample.at_boundaries(matrix, wanted, lambda rows: asked(inputs.fitted(rows))))
        if len(edges):
            matrix, wanted = np.concatenate([matrix, edges]), np.concatenate([wanted, asked(edges)])
    absolute, relative = _difference(compiled, matrix, wanted, inputs)
    rows, nan = len(matrix), False
    if inputs.may_miss.any():
        holes = sample.missing(matrix, inputs)
        nan = _agree_on(compiled, holes, asked, inputs)
        rows += len(holes) if nan else 0
    return Compiled(form, Agreement(rows, absolute, relative, ABSOLUTE, RELATIVE, nan))


def _agree_on(compiled: Compiled, holes: Matrix, asked: Callable[[Matrix], NDArray[Any]], inputs: Inputs) -> bool:
    try:
        _difference(compiled, holes, asked(holes), inputs)
    except Exception:  # the original takes no NaN, or the two differ: then the original answers for such rows
        return False
    return True


def answer_of(predicted: Any, classes: NDArray[Any] | None) -> Answer:
    """
    Raises:
        NotCompiledError: it is no array of one answer or of one row of numbers for each row.
    """
    if not isinstance(predicted, np.ndarray) or predicted.ndim not in {1, 2}:
        raise NotCompiledError(reason=f"it answers with {type(predicted).__name__}, not with an array")
    if classes is None and predicted.dtype.kind != "f":
        raise NotCompiledError(reason=f"it answers with {predicted.dtype}")
    return Answer(predicted.dtype, predicted.ndim == 1, classes)


def _difference(compiled: Compiled, matrix: Matrix, wanted: NDArray[Any], inputs: Inputs) -> tuple[float, float]:
    together = compiled.raw(matrix)
    alone = np.concatenate([compiled.raw(matrix[at : at + 1]) for at in range(len(matrix))])
    absolute = relative = 0.0
    for found in (together, alone):  # one row takes another way through ONNX Runtime than many
        if found.shape != wanted.shape or found.dtype != wanted.dtype:
            raise NotCompiledError(
                reason=f"it answers {found.dtype} of shape {found.shape} and not {wanted.dtype} of {wanted.shape}"
            )
        if wanted.dtype.kind != "f":
            _require(np.asarray(found == wanted), matrix, wanted, found, inputs)
            continue
        off = np.where(np.isnan(wanted) & np.isnan(found), 0.0, np.abs(found - wanted)).astype(np.float64)
        size = np.abs(wanted)
        _require(np.asarray(off <= ABSOLUTE + RELATIVE * size), matrix, wanted, found, inputs)
        absolute = max(absolute, float(off.max()))
        relative = max(relative, float((off[size > ABSOLUTE] / size[size > ABSOLUTE]).max(initial=0.0)))
    return absolute, relative


def _require(
    agrees: NDArray[np.bool_], matrix: Matrix, wanted: NDArray[Any], found: NDArray[Any], inputs: Inputs
) -> None:
    rows: NDArray[np.bool_] = np.asarray(agrees.reshape(len(agrees), -1).all(axis=1))
    if rows.all():
        return
    off = np.zeros(len(rows)) if wanted.dtype.kind != "f" else np.nan_to_num(np.abs(found - wanted), nan=np.inf)
    worst = int(np.argmax(np.where(rows, -1.0, off.reshape(len(rows), -1).max(axis=1))))
    values = dict(zip(inputs.columns, matrix[worst].tolist(), strict=True))
    raise NotCompiledError(
        reason=f"{int((~rows).sum())} of {len(rows)} rows differ, the worst {values}: "
        f"{found[worst].tolist()!r} and not {wanted[worst].tolist()!r}"
    )
