"""Nodes that a converter adds, one after another."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sluice.compiled.trees import Tree, attributes

# skl2onnx knows ai.onnx.ml up to version 3: TreeEnsemble stands in a domain of ours until the graph is whole.
DOMAIN = "sluice"


class Graph:
    """The nodes of one operator of skl2onnx: what a method returns is the name of a result."""

    def __init__(self, scope: Any, operator: Any, container: Any) -> None:
        self._scope = scope
        self._container = container
        self._outputs = [output.full_name for output in operator.outputs]
        self.model = operator.raw_operator
        self.rows = self._doubles(operator.inputs)
        # A calibration around the model is made of its scores.
        options = container.get_options(self.model, {"raw_scores": False}, fail=False) or {}
        self.of_scores = bool(options.get("raw_scores"))

    def node(self, kind: str, *inputs: str, domain: str = "", into: str | None = None, **options: Any) -> str:
        result = into or str(self._scope.get_unique_variable_name(kind.lower()))
        version = {"op_version": 1} if domain == DOMAIN else {}
        self._container.add_node(kind, list(inputs), [result], op_domain=domain, **version, **options)
        return result

    def constant(self, value: NDArray[Any]) -> str:
        from onnx.numpy_helper import from_array

        name = str(self._scope.get_unique_variable_name("constant"))
        self._container.initializers.append(from_array(np.ascontiguousarray(value), name))
        return name

    def cast(self, value: str, dtype: Any, into: str | None = None) -> str:
        from onnx.helper import np_dtype_to_tensor_dtype

        return self.node("Cast", value, to=np_dtype_to_tensor_dtype(np.dtype(dtype)), into=into)

    def trees(self, trees: list[Tree], targets: int, dtype: type[np.floating[Any]] = np.float64) -> str:
        """Sums, shape (rows, targets)."""
        rows = self.rows if dtype is np.float64 else self.cast(self.rows, dtype)
        return self.node("TreeEnsemble", rows, domain=DOMAIN, **attributes(trees, targets, dtype))

    def divided(self, sums: str, divisor: int) -> str:
        return self.node("Div", sums, self.constant(np.array(divisor, np.float64))) if divisor > 1 else sums

    def both(self, positive: str, dtype: type[np.floating[Any]] = np.float64) -> str:
        """The probabilities of no and yes, shape (rows, 2), from those of yes, shape (rows, 1)."""
        negative = self.node("Sub", self.constant(np.array(1, dtype)), positive)
        return self.node("Concat", negative, positive, axis=1)

    def over(self, scores: str, limit: float, kind: str = "Greater", dtype: type[np.floating[Any]] = np.float64) -> str:
        """0 or 1, shape (rows,), from scores of shape (rows, 1)."""
        reached = self.node(kind, scores, self.constant(np.array(limit, dtype)))
        return self.cast(self.node("Squeeze", reached, self.constant(np.array([1]))), np.int64)

    def largest(self, scores: str) -> str:
        """The first of the largest, shape (rows,), of scores of shape (rows, classes)."""
        return self.node("ArgMax", scores, axis=1, keepdims=0)

    def classifies(self, index: str, probabilities: str) -> None:
        """End as a classifier: ``index`` into the classes, shape (rows,); what follows has shape (rows, classes)."""
        classes = np.asarray(self.model.classes_)
        if np.array_equal(classes, np.arange(len(classes))):
            self.node("Identity", index, into=self._outputs[0])
        else:
            labels = self.constant(classes if classes.dtype.kind in "OU" else classes.astype(np.int64))
            self.node("Gather", labels, index, into=self._outputs[0])
        self.node("Identity", probabilities, into=self._outputs[1])

    def answers(self, values: str) -> None:
        """End as a regressor, shape (rows, targets)."""
        self.node("Identity", values, into=self._outputs[0])

    def _doubles(self, inputs: Any) -> str:
        from skl2onnx.common.data_types import DoubleTensorType

        names = [
            each.full_name if isinstance(each.type, DoubleTensorType) else self.cast(each.full_name, np.float64)
            for each in inputs
        ]
        return self.node("Concat", *names, axis=1) if len(names) > 1 else names[0]
