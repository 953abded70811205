"""Scores from vectors of users and items: what matrix factorisation fits."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

KIND = "factors"


@dataclass(frozen=True)
class Factors:
    """A user's scores are ``users[user] @ items.T``. Histories that came after the fit change nothing.

    Attributes:
        users: float32, shape (users, factors).
        items: float32, shape (items, factors).
    """

    users: NDArray[np.float32]
    items: NDArray[np.float32]

    def scores(self, users: NDArray[np.int64], histories: sparse.csr_array) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = self.users[users] @ self.items.T
        return scores

    def save(self, path: Path) -> None:
        np.savez(path, kind=np.array(KIND), users=self.users, items=self.items)

    @classmethod
    def load(cls, arrays: Any) -> "Factors":
        """From what `save` wrote, opened with `numpy.load`."""
        return cls(arrays["users"], arrays["items"])
