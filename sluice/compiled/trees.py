"""Decision trees of any library as one ONNX node, in the numbers that the library itself decides with.

The converters of others round thresholds and sums to float32, so a row near a threshold takes the other branch. Here
a threshold, the order of the sum and its type are the library's own; the operator is TreeEnsemble of ai.onnx.ml 5.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sluice.errors import NotCompiledError

# Of all trees together: 35 MB of ONNX. A hundred thousand, a forest of full depth over 10,000 rows, take two seconds.
MOST_NODES = 2_000_000


class Tree(NamedTuple):
    """One tree that adds to one or more targets. Arrays have shape (nodes,), the root is the first.

    A row goes left where ``row[feature] <= threshold``, and where it is NaN if ``missing_left``; ``left`` is -1 at a
    leaf. A leaf adds ``value`` to ``target``.
    """

    feature: NDArray[Any]
    threshold: NDArray[Any]
    left: NDArray[Any]
    right: NDArray[Any]
    missing_left: NDArray[Any]
    value: NDArray[Any]
    target: NDArray[Any]


def attributes(trees: Sequence[Tree], targets: int, dtype: type[np.floating[Any]]) -> dict[str, Any]:
    """What a TreeEnsemble node is made of. Rows, thresholds, leaves and sums are all of ``dtype``.

    Raises:
        NotCompiledError: there are more nodes than `MOST_NODES`.
    """
    from onnx.numpy_helper import from_array

    nodes = sum(len(tree.left) for tree in trees)
    if nodes > MOST_NODES:
        raise NotCompiledError(reason=f"its trees have {nodes:,} nodes, and up to {MOST_NODES:,} are compiled")
    parts = []
    first_node = first_leaf = 0
    roots = []
    for tree in trees:
        part = _numbered(tree, first_node, first_leaf)
        parts.append(part)
        roots.append(first_node)
        first_node += len(part["nodes_featureids"])
        first_leaf += len(part["leaf_weights"])
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    splits, weights = whole.pop("nodes_splits").astype(dtype), whole.pop("leaf_weights").astype(dtype)
    return {
        "n_targets": targets,
        "aggregate_function": 1,  # the sum, tree after tree
        "post_transform": 0,
        "tree_roots": roots,
        "nodes_splits": from_array(splits),
        "nodes_modes": from_array(np.zeros(len(splits), np.uint8)),  # row <= split
        "leaf_weights": from_array(weights),
        **{name: values.astype(np.int64).tolist() for name, values in whole.items()},
    }


def _numbered(tree: Tree, first_node: int, first_leaf: int) -> dict[str, NDArray[Any]]:
    """The operator counts inner nodes and leaves apart, both over all trees."""
    leaf = tree.left < 0
    if leaf[0]:  # no split at all: both branches of one node lead to the leaf
        at, no_split = np.array([first_leaf]), np.zeros(1)
        return {
            "nodes_featureids": no_split, "nodes_splits": no_split, "nodes_missing_value_tracks_true": no_split,
            "nodes_truenodeids": at, "nodes_trueleafs": no_split + 1,
            "nodes_falsenodeids": at, "nodes_falseleafs": no_split + 1,
            "leaf_targetids": tree.target[:1], "leaf_weights": tree.value[:1],
        }  # fmt: skip
    number = np.where(leaf, first_leaf + np.cumsum(leaf) - 1, first_node + np.cumsum(~leaf) - 1)
    left, right = tree.left[~leaf], tree.right[~leaf]
    return {
        "nodes_featureids": tree.feature[~leaf],
        "nodes_splits": tree.threshold[~leaf],
        "nodes_missing_value_tracks_true": tree.missing_left[~leaf],
        "nodes_truenodeids": number[left],
        "nodes_trueleafs": leaf[left],
        "nodes_falsenodeids": number[right],
        "nodes_falseleafs": leaf[right],
        "leaf_targetids": tree.target[leaf],
        "leaf_weights": tree.value[leaf],
    }


def as_float32_decides(threshold: NDArray[Any]) -> NDArray[np.float64]:
    """For libraries that round a row to float32: t with ``x <= t`` as ``float32(x) <= threshold``, for every float64 x.

    It is the last float64 that rounds to the last float32 that is not over the threshold: half way to the next
    float32, where a tie goes to the even one (IEEE 754, section 4.3.1).
    """
    last = threshold.astype(np.float32)
    last = np.where(last > threshold, np.nextafter(last, np.float32(-np.inf)), last)
    following = np.nextafter(last, np.float32(np.inf))
    half_way = (last.astype(np.float64) + following.astype(np.float64)) / 2
    even = last.view(np.int32) & 1 == 0
    decides: NDArray[np.float64] = np.where(even, half_way, np.nextafter(half_way, -np.inf))
    return decides


def float32_below(threshold: NDArray[np.float32]) -> NDArray[np.float32]:
    """t with ``x <= t`` as ``x < threshold``, for every float32 x."""
    return np.nextafter(threshold.astype(np.float32), np.float32(-np.inf))


def splits(model: Any) -> list[tuple[int, float]]:
    """Feature and threshold of all nodes in the ``ModelProto``, as they stand there."""
    from onnx import numpy_helper

    found: list[tuple[int, float]] = []
    for node in model.graph.node:
        given = {attribute.name: attribute for attribute in node.attribute}
        if "nodes_featureids" not in given:
            continue
        tensor = given.get("nodes_splits") or given.get("nodes_values_as_tensor")
        values = numpy_helper.to_array(tensor.t) if tensor else np.asarray(given["nodes_values"].floats)
        found += zip(given["nodes_featureids"].ints, values.astype(np.float64).tolist(), strict=True)
    return found
