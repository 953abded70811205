"""What skl2onnx converts otherwise than here, or not at all: trees, and linear classifiers in fewer nodes."""

import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from sluice.compiled import boosters, scikit_trees
from sluice.compiled.boosters import Boosted
from sluice.compiled.graph import Graph
from sluice.errors import NotCompiledError


class WholeBooster(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A model of XGBoost's or LightGBM's own interface: it answers with numbers, also where it tells classes apart."""

    def __init__(self, booster: Any) -> None:
        self.booster = booster


def _forest(graph: Graph) -> None:
    trees, targets, divisor = scikit_trees.forest(graph.model)
    means = graph.divided(graph.trees(trees, targets), divisor)
    if targets == 1 and not hasattr(graph.model, "classes_"):
        graph.answers(means)
    else:
        graph.classifies(graph.largest(means), means)


def _gradient_boosting(graph: Graph) -> None:
    trees, targets = scikit_trees.gradient_boosting(graph.model)
    _boosted_scikit(graph, graph.trees(trees, targets), targets, at_zero="GreaterOrEqual")


def _histogram_boosting(graph: Graph) -> None:
    trees, targets = scikit_trees.histogram_boosting(graph.model)
    _boosted_scikit(graph, graph.trees(trees, targets), targets, at_zero="Greater")


def _boosted_scikit(graph: Graph, sums: str, targets: int, at_zero: str) -> None:
    loss = graph.model._loss
    link = type(loss.link).__name__
    if not hasattr(graph.model, "classes_"):
        graph.answers(graph.node("Exp", sums) if link == "LogLink" else sums)
    elif targets > 1:
        graph.classifies(graph.largest(sums), sums if graph.of_scores else graph.node("Softmax", sums, axis=1))
    else:
        # The exponential loss has half of the logit as its score.
        scale = graph.constant(np.array(2 if link == "HalfLogitLink" else 1, np.float64))
        _binary(graph, sums, graph.node("Mul", sums, scale), at_zero)


def _binary(graph: Graph, scores: str, logits: str, at_zero: str) -> None:
    index = graph.over(scores, 0, at_zero)
    if graph.of_scores:
        graph.classifies(index, graph.node("Concat", graph.node("Neg", scores), scores, axis=1))
    else:
        graph.classifies(index, graph.both(graph.node("Sigmoid", logits)))


def _xgboost(graph: Graph) -> None:
    model = graph.model
    whole = isinstance(model, WholeBooster)
    # What its scikit-learn classes predict with; a booster alone uses all of its trees.
    best = None if whole else getattr(model, "best_iteration", None)
    booster = model.booster if whole else model.get_booster()
    made = boosters.xgboost_trees(booster, None if best is None else best + 1)
    answer = _linked(graph, graph.trees(made.trees, made.targets, np.float32), made)
    if not hasattr(model, "classes_"):
        graph.answers(graph.cast(answer, np.float64))
    elif made.targets == 1:
        probabilities = graph.cast(graph.both(answer, np.float32), np.float64)
        graph.classifies(graph.over(answer, 0.5, dtype=np.float32), probabilities)
    else:
        graph.classifies(graph.largest(answer), graph.cast(answer, np.float64))


def _lightgbm(graph: Graph) -> None:
    model = graph.model
    made = boosters.lightgbm_trees(model.booster if isinstance(model, WholeBooster) else model.booster_)
    answer = _linked(graph, graph.divided(graph.trees(made.trees, made.targets), made.divisor), made)
    if not hasattr(model, "classes_"):
        graph.answers(answer)
    else:
        probabilities = graph.both(answer) if made.targets == 1 else answer
        graph.classifies(graph.largest(probabilities), probabilities)


def _linked(graph: Graph, sums: str, made: Boosted) -> str:
    if made.link == "softmax":
        return graph.node("Softmax", sums, axis=1)
    return graph.node(made.link.capitalize(), sums) if made.link else sums


def _whole_booster(graph: Graph) -> None:
    _xgboost(graph) if type(graph.model.booster).__module__.startswith("xgboost") else _lightgbm(graph)


def _linear(graph: Graph) -> None:
    """Probabilities, where a model has them, are logistic regression's."""
    weights = np.atleast_2d(np.asarray(graph.model.coef_, np.float64))
    intercept = np.broadcast_to(np.asarray(graph.model.intercept_, np.float64), (len(weights),))
    scores = graph.node("Gemm", graph.rows, graph.constant(weights.T), graph.constant(intercept))
    if len(weights) > 1:
        graph.classifies(graph.largest(scores), scores if graph.of_scores else graph.node("Softmax", scores, axis=1))
    else:
        _binary(graph, scores, scores, "Greater")


_CONVERTERS: dict[str, dict[Callable[[Graph], None], tuple[str, ...]]] = {
    "sklearn.ensemble": {
        _forest: ("RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor"),
        _gradient_boosting: ("GradientBoostingClassifier", "GradientBoostingRegressor"),
        _histogram_boosting: ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor"),
    },
    "sklearn.tree": {
        _forest: ("DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor"),
    },
    "sklearn.linear_model": {
        _linear: ("LogisticRegression", "LogisticRegressionCV", "RidgeClassifier", "RidgeClassifierCV", "Perceptron"),
    },
    "sklearn.svm": {_linear: ("LinearSVC",)},
    "xgboost": {_xgboost: ("XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor", "XGBRanker")},
    "lightgbm": {_lightgbm: ("LGBMClassifier", "LGBMRegressor", "LGBMRanker")},
    __name__: {_whole_booster: ("WholeBooster",)},
}


def register() -> None:
    """Tell skl2onnx, for the libraries that this process has loaded: the model to convert is of one of them.

    It holds for the process: what else converts here with skl2onnx gets these too.
    """
    for module in _CONVERTERS:
        if module in sys.modules:
            _register(module)


@cache
def _register(module: str) -> None:
    from skl2onnx import update_registered_converter

    for convert, names in _CONVERTERS[module].items():
        for name in names:
            cls = getattr(sys.modules[module], name)
            classifies = issubclass(cls, ClassifierMixin)
            options: dict[str, Any] = {"zipmap": [True, False, "columns"]} if classifies else {}
            if classifies and hasattr(cls, "decision_function"):
                options["raw_scores"] = [True, False]
            update_registered_converter(cls, f"Sluice{name}", _shapes, _converter(convert), options=options or None)


def _converter(convert: Callable[[Graph], None]) -> Callable[[Any, Any, Any], None]:
    def converted(scope: Any, operator: Any, container: Any) -> None:
        convert(Graph(scope, operator, container))

    return converted


def _shapes(operator: Any) -> None:
    from skl2onnx.common import data_types

    rows = operator.inputs[0].get_first_dimension()
    model = operator.raw_operator
    if not hasattr(model, "classes_"):
        operator.outputs[0].set_type(data_types.DoubleTensorType([rows, None]))
        return
    if isinstance(model.classes_, list):
        raise NotCompiledError(reason="it has several outputs")
    texts = np.asarray(model.classes_).dtype.kind in "OU"
    operator.outputs[0].set_type((data_types.StringTensorType if texts else data_types.Int64TensorType)([rows]))
    operator.outputs[1].set_type(data_types.DoubleTensorType([rows, len(model.classes_)]))
