"""Trees of XGBoost and LightGBM, read from what the library writes of itself."""

import json
from typing import Any, NamedTuple

import numpy as np

from sluice.compiled.trees import Tree, float32_below
from sluice.errors import NotCompiledError

_XGBOOST_LINKS = {
    **dict.fromkeys(("binary:logistic", "reg:logistic"), "sigmoid"),
    **dict.fromkeys(("multi:softprob",), "softmax"),
    **dict.fromkeys(("count:poisson", "reg:gamma", "reg:tweedie"), "exp"),
    **dict.fromkeys(
        ("reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror", "rank:ndcg", "rank:pairwise", "rank:map"), ""
    ),
}
_LIGHTGBM_LINKS = {
    "binary": "sigmoid",
    "multiclass": "softmax",
    **dict.fromkeys(("poisson", "gamma", "tweedie"), "exp"),
    **dict.fromkeys(("regression", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank"), ""),
}


class Boosted(NamedTuple):
    """``link`` makes predictions of the sums: "sigmoid", "softmax", "exp" or ""."""

    trees: list[Tree]
    targets: int
    link: str
    divisor: int


def xgboost_trees(booster: Any, iterations: int | None) -> Boosted:
    """The first ``iterations``, or all. XGBoost compares, adds and answers in float32.

    Raises:
        NotCompiledError: a kind of tree or objective that is not among the usual ones.
    """
    learner = json.loads(booster.save_raw("json"))["learner"]
    booster_name, objective = learner["gradient_booster"]["name"], learner["objective"]["name"]
    if booster_name != "gbtree" or objective not in _XGBOOST_LINKS:
        raise NotCompiledError(reason=f"XGBoost's {booster_name} for {objective} is not compiled")
    model, parameters, link = (
        learner["gradient_booster"]["model"],
        learner["learner_model_param"],
        _XGBOOST_LINKS[objective],
    )
    targets = max(1, int(parameters["num_class"]))
    limit = len(model["trees"]) if iterations is None else model["iteration_indptr"][iterations]
    start = np.resize(np.asarray(json.loads(parameters["base_score"]), np.float32), targets)
    trees: list[Tree] = []
    for number, each in enumerate(model["trees"][:limit]):
        if any(each["split_type"]) or int(each["tree_param"]["size_leaf_vector"]) > 1:
            raise NotCompiledError(reason="XGBoost's trees with categories or with several outputs are not compiled")
        target, conditions = model["tree_info"][number], np.asarray(each["split_conditions"], np.float32)
        # A leaf's value stands where another node has its threshold.
        first = all(tree.target[0] != target for tree in trees)
        value = _margin(start[target], link) + conditions if first else conditions
        trees.append(
            Tree(
                np.asarray(each["split_indices"]), float32_below(conditions), np.asarray(each["left_children"]),
                np.asarray(each["right_children"]), np.asarray(each["default_left"]), value,
                np.full(len(value), target),
            )
        )  # fmt: skip
    return Boosted(trees, targets, link, 1)


def _margin(score: np.float32, link: str) -> np.float32:
    """XGBoost keeps the start as a prediction and adds it as a sum."""
    if link == "sigmoid":
        return np.float32(-np.log(np.float32(1) / score - np.float32(1)))
    return np.float32(np.log(score)) if link == "exp" else score


def lightgbm_trees(booster: Any) -> Boosted:
    """Those that it predicts with. LightGBM compares and adds in float64.

    Raises:
        NotCompiledError: a kind of tree or objective that is not among the usual ones.
    """
    model = booster.dump_model()
    name, *options = model.get("objective", "none").split()
    targets = model["num_tree_per_iteration"]
    if name not in _LIGHTGBM_LINKS or "sqrt" in options or (name == "binary" and "sigmoid:1" not in options):
        raise NotCompiledError(reason=f"LightGBM's objective {' '.join([name, *options])} is not compiled")
    trees = [_lightgbm_tree(each, number % targets) for number, each in enumerate(model["tree_info"])]
    return Boosted(trees, targets, _LIGHTGBM_LINKS[name], len(trees) // targets if model["average_output"] else 1)


def _lightgbm_tree(described: dict[str, Any], target: int) -> Tree:
    rows: list[list[float]] = []  # feature, threshold, left, right, missing_left, value
    waiting: list[tuple[dict[str, Any], int, int]] = [(described["tree_structure"], -1, 0)]
    while waiting:  # and not by recursion: a tree may be deeper than Python's stack
        node, parent, side = waiting.pop()
        if parent >= 0:
            rows[parent][side] = len(rows)
        if "leaf_value" in node:
            rows.append([0, 0, -1, -1, 0, node["leaf_value"]])
            continue
        if node["decision_type"] != "<=" or node["missing_type"] == "Zero" or described.get("linear"):
            raise NotCompiledError(reason="LightGBM's splits on categories, or with zero as missing, are not compiled")
        # Where training saw nothing missing, NaN is taken for 0.
        missing_left = node["default_left"] if node["missing_type"] == "NaN" else node["threshold"] >= 0
        waiting += [(node["left_child"], len(rows), 2), (node["right_child"], len(rows), 3)]
        rows.append([node["split_feature"], node["threshold"], 0, 0, missing_left, 0])
    feature, threshold, left, right, missing, value = np.array(rows, np.float64).T
    return Tree(feature, threshold, left.astype(int), right.astype(int), missing, value, np.full(len(rows), target))
