"""A Keras network as a scikit-learn classifier whose weights are plain arrays.

Keras' own wrapper (``keras.wrappers.SKLearnClassifier``) gives no probabilities, and where Keras is missing its pickle
cannot be read, not even to say so.
"""

import importlib.util
import os
import sys
import tempfile
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from sluice.errors import DependencyMissingError

# Another number of rows is another compilation: asked rows are filled up to a power of two, and go in parts of this.
_MOST_ROWS = 1024


def require_keras() -> None:
    """
    Raises:
        DependencyMissingError: Keras is not installed.
    """
    if importlib.util.find_spec("keras") is None:
        raise DependencyMissingError(package="keras", purpose="a Keras network", extra="keras")


@cache
def _keras() -> Any:
    """Keras on JAX, unless this process has it on another engine already: the weights are the same on each."""
    require_keras()
    if "keras" in sys.modules:
        return sys.modules["keras"]
    before = {name: os.environ.get(name) for name in ("KERAS_BACKEND", "KERAS_HOME")}
    with tempfile.TemporaryDirectory() as folder:
        # Read while Keras is imported and never again. Without a folder it writes into the home directory.
        os.environ.update(KERAS_BACKEND="jax", KERAS_HOME=folder)
        try:
            import keras
        except ModuleNotFoundError as error:
            package = str(error.name)
            raise DependencyMissingError(package=package, purpose="a Keras network", extra="keras") from None
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
    return keras


class KerasClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Dense layers with ReLU and L2, one sigmoid output, Adam on the log loss. Labels are 0 and 1.

    Equal seeds and rows give equal weights: nothing is taken from, or put into, global random state.
    """

    def __init__(
        self,
        units: tuple[int, ...] = (16,),
        l2: float = 0.01,
        learning_rate: float = 0.01,
        epochs: int = 60,
        batch_rows: int = 64,
        seed: int = 0,
    ) -> None:
        self.units = units
        self.l2 = l2
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_rows = batch_rows
        self.seed = seed

    def fit(self, x: NDArray[np.float64], y: NDArray[np.int64]) -> "KerasClassifier":
        keras = _keras()
        self.classes_ = np.array([0, 1])
        self.n_features_in_ = x.shape[1]
        network = self._build()
        network.compile(optimizer=keras.optimizers.Adam(self.learning_rate), loss="binary_crossentropy")
        # Mixed here once, by our own seed: Keras' shuffle takes NumPy's global one.
        # The first rows are repeated until all batches are of one size: another size is another compilation.
        batches = -(-len(x) // self.batch_rows)
        size = -(-len(x) // batches)
        order = np.resize(np.random.default_rng(self.seed).permutation(len(x)), batches * size)
        rows, labels = np.asarray(x, np.float32)[order], np.asarray(y, np.float32)[order, None]
        network.fit(rows, labels, epochs=self.epochs, batch_size=size, shuffle=False, verbose=0)
        self.weights_ = [np.asarray(weight.value) for weight in network.weights]
        self._network = network
        return self

    def predict_proba(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Shape (rows, 2).

        Raises:
            DependencyMissingError: Keras is not installed here.
        """
        if self.__dict__.get("_network") is None:
            network = self._build()
            network.set_weights(self.weights_)
            self._network = network
        rows = np.asarray(x, np.float32)
        parts = [self._positive(rows[start : start + _MOST_ROWS]) for start in range(0, len(rows), _MOST_ROWS)]
        positive = np.concatenate([np.empty(0), *parts])
        return np.column_stack([1 - positive, positive])

    def predict(self, x: NDArray[np.float64]) -> NDArray[np.int64]:
        found: NDArray[np.int64] = np.argmax(self.predict_proba(x), axis=1)
        return found

    def _positive(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        filled = np.zeros((1 << (len(rows) - 1).bit_length(), rows.shape[1]), np.float32)
        filled[: len(rows)] = rows
        return np.asarray(self._network(filled, training=False), np.float64)[: len(rows), 0]

    def _build(self) -> Any:
        keras = _keras()

        def initial(layer: int) -> Any:
            return keras.initializers.GlorotUniform(seed=self.seed + layer)

        hidden = [
            keras.layers.Dense(
                units, "relu", kernel_regularizer=keras.regularizers.L2(self.l2), kernel_initializer=initial(layer)
            )
            for layer, units in enumerate(self.units)
        ]
        output = keras.layers.Dense(1, "sigmoid", kernel_initializer=initial(len(self.units)))
        return keras.Sequential([keras.Input((self.n_features_in_,)), *hidden, output])

    def __getstate__(self) -> Any:
        return {name: value for name, value in super().__getstate__().items() if name != "_network"}
