"""Forests and boosted trees of scikit-learn, decision for decision and sum for sum."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sluice.compiled.trees import Tree, as_float32_decides
from sluice.errors import NotCompiledError


def _tree(tree: Any, value: NDArray[Any], target: NDArray[Any]) -> Tree:
    """Of ``sklearn.tree``, which rounds rows to float32 and compares them with float64 thresholds."""
    threshold = as_float32_decides(tree.threshold)
    return Tree(
        tree.feature, threshold, tree.children_left, tree.children_right, tree.missing_go_to_left, value, target
    )


def forest(model: Any) -> tuple[list[Tree], int, int]:
    """Of a forest or a single tree: the trees, how many targets they add to, and by how much the sum is divided.

    Raises:
        NotCompiledError: it predicts several outputs at once.
    """
    members = [member.tree_ for member in getattr(model, "estimators_", [model])]
    if model.n_outputs_ != 1:
        raise NotCompiledError(reason="it has several outputs")
    if not hasattr(model, "classes_"):
        return [_tree(tree, tree.value[:, 0, 0], np.zeros(tree.node_count)) for tree in members], 1, len(members)
    classes = len(model.classes_)
    if all((tree.value[tree.children_left < 0].max(axis=(1, 2)) == 1).all() for tree in members):
        # Every leaf is of one class, as in forests of full depth: one vote each.
        voters = [_tree(tree, np.ones(tree.node_count), tree.value[:, 0].argmax(axis=1)) for tree in members]
        return voters, classes, len(members)
    # A leaf adds to one target only. Of two classes, too, each has its own sum: with one minus the other, ties would
    # break another way.
    each = [
        _tree(tree, tree.value[:, 0, target], np.full(tree.node_count, target))
        for target in range(classes)
        for tree in members
    ]
    return each, classes, len(members)


def gradient_boosting(model: Any) -> tuple[list[Tree], int]:
    """The trees, and how many targets they add to.

    Raises:
        NotCompiledError: it starts from another model's predictions.
    """
    if type(model.init_).__module__ != "sklearn.dummy" and not isinstance(model.init_, str):
        raise NotCompiledError(reason="it starts from the predictions of another model")
    start = model._raw_predict_init(np.zeros((1, model.n_features_in_), np.float32))[0]
    trees = []
    for members in model.estimators_:
        for target, member in enumerate(members):
            value = model.learning_rate * member.tree_.value[:, 0, 0]
            trees.append(_tree(member.tree_, value, np.full(len(value), target)))
    return _started(trees, np.asarray(start, np.float64)), model.estimators_.shape[1]


def histogram_boosting(model: Any) -> tuple[list[Tree], int]:
    """As `gradient_boosting`; these compare float64 rows.

    Raises:
        NotCompiledError: it splits on categories.
    """
    trees = []
    for members in model._predictors:
        for target, member in enumerate(members):
            nodes = member.nodes
            if nodes["is_categorical"].any():
                raise NotCompiledError(reason="it splits on categories")
            leaf = nodes["is_leaf"].astype(bool)
            left, right = (np.where(leaf, -1, nodes[side].astype(np.int64)) for side in ("left", "right"))
            trees.append(
                Tree(
                    nodes["feature_idx"], nodes["num_threshold"], left, right, nodes["missing_go_to_left"],
                    nodes["value"], np.full(len(nodes), target),
                )
            )  # fmt: skip
    return _started(trees, np.ravel(model._baseline_prediction)), len(model._predictors[0])


def _started(trees: list[Tree], start: NDArray[Any]) -> list[Tree]:
    """With the start in the leaves of each target's first tree: the sum begins with it, and rounds as theirs."""
    count = len(start)
    return [tree._replace(value=start[n] + tree.value) if n < count else tree for n, tree in enumerate(trees)]
