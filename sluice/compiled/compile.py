"""From a model's folder to a compiled form that has shown to agree."""

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sluice.compiled import agreement, files, sample
from sluice.compiled.inputs import Inputs, Matrix
from sluice.compiled.runtime import Compiled, Form
from sluice.errors import NotCompiledError

FLAVOURS = ("sklearn", "xgboost", "lightgbm")


def compile_model(folder: Path, sample_rows: "NDArray[Any] | pd.DataFrame | None" = None) -> Compiled:
    """Convert, compare, and write beside the model. Runs for seconds.

    Args:
        folder: a model of MLflow on this machine.
        sample_rows: rows as the model was trained on; without them, rows are made around its input example.

    Raises:
        NotCompiledError: the extra ``onnx`` is not installed, nothing converts the model, or the predictions differ.
    """
    missing = [package for package in ("onnx", "onnxruntime", "skl2onnx") if find_spec(package) is None]
    if missing:
        raise NotCompiledError(reason=f"{missing[0]} is not installed (uv sync --extra onnx)")
    import mlflow

    from sluice.model_flavour import quiet

    with quiet():
        original = mlflow.pyfunc.load_model(str(folder))
    if not set(original.metadata.flavors) & set(FLAVOURS):
        raise NotCompiledError(reason=f"only models of {', '.join(FLAVOURS)} are compiled")
    inputs = Inputs.of(original.metadata.signature)
    # Of rows that nobody would send, and of what skl2onnx converts with care: the comparison judges the result.
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiled = _compiled(original, inputs, _given(original, inputs, sample_rows))
    files.write(compiled, folder)
    return compiled


def load_compiled(folder: Path) -> Compiled | None:
    """What `compile_model` wrote, if it was made for these libraries and nobody changed it since."""
    return files.read(folder) if find_spec("onnxruntime") else None


def _compiled(original: Any, inputs: Inputs, given: Matrix) -> Compiled:
    from sluice.compiled.convert import convert
    from sluice.compiled.trees import splits

    ask = _asking(original)
    model = original.get_raw_model()
    converted = convert(model, _method(original), inputs.columns)
    rows = sample.rows(given, inputs, splits(converted.model))
    answer = agreement.answer_of(ask(inputs.asked(rows[:2])), converted.classes)
    form = Form(converted.model.SerializeToString(), inputs.columns, inputs.limit, answer)
    return agreement.agreed(form, inputs, ask, rows)


def _asking(original: Any) -> Callable[[Any], Any]:
    def ask(rows: Any) -> Any:
        try:
            return original.predict(rows)
        except NotCompiledError:
            raise
        except Exception as error:
            text = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise NotCompiledError(reason=f"the original does not answer the rows to compare: {text}") from error

    return ask


def _method(original: Any) -> str:
    return str(original.metadata.flavors["python_function"].get("predict_fn", "predict"))


def _given(original: Any, inputs: Inputs, sample_rows: Any) -> Matrix:
    parts = [inputs.matrix(rows) for rows in (original.input_example, sample_rows) if rows is not None]
    return np.concatenate(parts) if parts else np.empty((0, len(inputs.columns)))
