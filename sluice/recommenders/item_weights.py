"""Scores from weights between items: what EASE fits."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

KIND = "item_weights"


@dataclass(frozen=True)
class ItemWeights:
    """A user's scores are ``history @ weights``.

    Attributes:
        weights: float32, shape (supported, supported), dense or sparse: from an item of the history to the item
            scored. They are for the first items of the catalogue.
    """

    weights: NDArray[np.float32] | sparse.csr_array

    @property
    def nbytes(self) -> int:
        if isinstance(self.weights, np.ndarray):
            return self.weights.nbytes
        return int(self.weights.data.nbytes + self.weights.indices.nbytes + self.weights.indptr.nbytes)

    def scores(self, users: NDArray[np.int64], histories: sparse.csr_array) -> NDArray[np.float32]:
        product: Any = histories[:, : self.weights.shape[0]] @ self.weights
        scores: NDArray[np.float32] = product if isinstance(product, np.ndarray) else product.toarray()
        return scores

    def save(self, path: Path) -> None:
        if isinstance(self.weights, np.ndarray):
            np.savez(path, kind=np.array(KIND), weights=self.weights)
            return
        parts = {name: getattr(self.weights, name) for name in ("data", "indices", "indptr")}
        np.savez(path, kind=np.array(KIND), **parts)

    @classmethod
    def load(cls, arrays: Any) -> "ItemWeights":
        """From what `save` wrote, opened with `numpy.load`."""
        if "weights" in arrays:
            return cls(arrays["weights"])
        side = len(arrays["indptr"]) - 1
        parts = (arrays["data"], arrays["indices"], arrays["indptr"])
        return cls(sparse.csr_array(parts, shape=(side, side)))
