"""A fitted model as an ONNX graph with one input, a float64 matrix, and one output."""

import copy
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sluice.errors import NotCompiledError

_OPSET, _ML_OPSET = 21, 5
ROWS = "rows"


class Converted(NamedTuple):
    """A ``ModelProto``, whose output is an index into ``classes``, or the answer itself if there are none."""

    model: Any
    classes: NDArray[Any] | None


def convert(model: Any, method: str, names: tuple[str, ...]) -> Converted:
    """
    Args:
        model: an estimator or pipeline of scikit-learn, or a model of XGBoost or LightGBM.
        method: ``predict`` or ``predict_proba``.
        names: the columns of the matrix, as the model may call them.

    Raises:
        NotCompiledError: nothing of what we have converts it.
    """
    from sluice.compiled import converters
    from sluice.compiled.graph import DOMAIN

    if type(model).__name__ == "Booster":
        model = converters.WholeBooster(model)
    converters.register()
    prepared, classes = _prepared(model, names)
    if method not in {"predict", "predict_proba"} or (method == "predict_proba" and classes is None):
        raise NotCompiledError(reason=f"it answers with {method}")
    made = _converted(prepared, len(names), {} if classes is None else {"zipmap": False})
    probabilities = method == "predict_proba"
    return Converted(_finished(made, DOMAIN, output=int(probabilities)), None if probabilities else classes)


def _converted(model: Any, width: int, options: dict[str, Any]) -> Any:
    import skl2onnx
    from skl2onnx.common.data_types import DoubleTensorType

    from sluice.compiled.graph import DOMAIN

    try:
        return skl2onnx.convert_sklearn(
            model,
            initial_types=[(ROWS, DoubleTensorType([None, width]))],
            target_opset={"": _OPSET, "ai.onnx.ml": 3, DOMAIN: 1},
            options={id(model): options},
        )
    except NotCompiledError:
        raise
    except Exception as error:  # skl2onnx raises whatever its part for this model runs into
        if options and isinstance(error, NameError):  # a classifier that makes no dictionaries has no such option
            return _converted(model, width, {})
        raise NotCompiledError(reason=f"{type(model).__name__} does not convert: {_line(error)}") from error


def _finished(made: Any, domain: str, output: int) -> Any:
    """With one output, without what only the others need, and with the operators' real domain."""
    from onnx import helper

    wanted = {made.graph.output[output].name}
    kept = []
    for node in reversed(made.graph.node):  # they are sorted: a node comes after those that it needs
        if wanted & set(node.output):
            kept.append(node)
            wanted |= set(node.input)
    graph = helper.make_graph(
        kept[::-1],
        "model",
        list(made.graph.input),
        [made.graph.output[output]],
        [constant for constant in made.graph.initializer if constant.name in wanted],
    )
    for node in graph.node:
        node.domain = "ai.onnx.ml" if node.domain == domain else node.domain
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", _ML_OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def _prepared(model: Any, names: tuple[str, ...]) -> tuple[Any, NDArray[Any] | None]:
    """A copy that calls its classes 0, 1, … and its columns by position; and its classes.

    ONNX has no labels but integers and strings, and reads columns by name from as many inputs.
    """
    model = copy.copy(model)
    if hasattr(model, "best_estimator_"):
        return _prepared(model.best_estimator_, names)
    if hasattr(model, "steps"):
        model.steps = [*model.steps]
        first, last = model.steps[0], model.steps[-1]
        model.steps[0] = (first[0], _by_position(first[1], names))
        if len(model.steps) == 1:
            return _prepared(model.steps[0][1], names)
        final, classes = _prepared(last[1], ())
        model.steps[-1] = (last[0], final)
        return model, classes
    classes = getattr(model, "classes_", None)
    if classes is None or not _is_classifier(model):
        return _by_position(model, names), None
    if isinstance(classes, list):
        raise NotCompiledError(reason="it has several outputs")
    classes = np.asarray(classes)
    attribute = next(
        (name for name in ("classes_", "_classes") if name in vars(model)), None
    )  # LightGBM's is the second
    if attribute:
        setattr(model, attribute, np.arange(len(classes)))
    elif not np.array_equal(classes, np.arange(len(classes))):
        raise NotCompiledError(reason=f"{type(model).__name__} does not let its labels be numbered")
    return model, classes


def _is_classifier(model: Any) -> bool:
    from sklearn.base import is_classifier

    return bool(is_classifier(model))


def _by_position(step: Any, names: tuple[str, ...]) -> Any:
    """A copy of what the rows come into first."""
    step = copy.copy(step)
    if hasattr(step, "steps"):
        step.steps = [(step.steps[0][0], _by_position(step.steps[0][1], names)), *step.steps[1:]]
    elif hasattr(step, "transformers_"):
        step.transformers_ = [(name, each, _positions(columns, names)) for name, each, columns in step.transformers_]
    return step


def _positions(columns: Any, names: tuple[str, ...]) -> Any:
    if isinstance(columns, str):
        return [names.index(columns)]
    if isinstance(columns, (list, np.ndarray)) and len(columns) and isinstance(columns[0], str):
        return [names.index(column) for column in columns]
    return columns


def _line(error: BaseException) -> str:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= 200 else f"{text[:200]}…"
