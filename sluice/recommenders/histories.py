"""What each user has interacted with, and which of it was held out of training."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sluice.recommenders.interactions import Ids

_NOTHING = np.empty(0, dtype=np.int32)


@dataclass(frozen=True)
class Histories:
    """Attributes:
    users: ids, shape (users,), each once.
    trained: float32, shape (users, items): what the model was fitted on.
    rated: the same and what was held out: what a user need not be shown again.
    """

    users: Ids
    trained: sparse.csr_array
    rated: sparse.csr_array

    @cached_property
    def _positions(self) -> dict[Any, int]:
        return {user: position for position, user in enumerate(self.users.tolist())}

    def find(self, user_id: Any) -> int:
        """Position of a user, -1 for one that is not here."""
        return self._positions.get(user_id, -1)

    def of(self, position: int, include_holdout: bool) -> NDArray[np.int32]:
        """Positions of the items in the history of the user at ``position``; none for -1.

        Args:
            include_holdout: leave held-out items recommendable, by looking at ``trained`` only.
        """
        if position < 0:
            return _NOTHING
        matrix = self.trained if include_holdout else self.rated
        items: NDArray[np.int32] = matrix.indices[matrix.indptr[position] : matrix.indptr[position + 1]]
        return items

    def save(self, path: Path) -> None:
        parts = {
            f"{name}_{part}": getattr(matrix, part)
            for name, matrix in (("trained", self.trained), ("rated", self.rated))
            for part in ("indices", "indptr")
        }
        np.savez(path, users=_plain(self.users), n_items=np.array(self.rated.shape[1]), **parts)

    @classmethod
    def load(cls, path: Path) -> "Histories":
        with np.load(path, allow_pickle=False) as arrays:
            shape = (len(arrays["users"]), int(arrays["n_items"]))
            parts = [(arrays[f"{name}_indices"], arrays[f"{name}_indptr"]) for name in ("trained", "rated")]
            # One array of ones for both: at 15 million ratings they are 60 MB.
            ones = np.ones(max(len(indices) for indices, _ in parts), dtype=np.float32)
            matrices = [
                sparse.csr_array((ones[: len(indices)], indices, indptr), shape=shape) for indices, indptr in parts
            ]
            return cls(arrays["users"], *matrices)


def _plain(ids: Ids) -> Ids:
    """Strings of fixed width in place of objects, which only a pickle could hold."""
    return ids.astype(str) if ids.dtype == object else ids
