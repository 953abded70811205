"""What each user has interacted with, and which of it was held out of training."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from sluice.recommenders.interactions import Ids


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
    def _index(self) -> "pd.Index[Any]":
        return pd.Index(self.users)

    def find(self, user_ids: Any) -> NDArray[np.int64]:
        """Positions of users, -1 for those that are not here."""
        return self._index.get_indexer(pd.Index(user_ids)).astype(np.int64)

    def of(self, positions: NDArray[np.int64], include_holdout: bool) -> sparse.csr_array:
        """Histories of the users at ``positions``, shape (len(positions), items); empty for -1.

        Args:
            include_holdout: leave held-out items recommendable, by looking at ``trained`` only.
        """
        matrix = self.trained if include_holdout else self.rated
        unknown = positions < 0
        if not len(self.users):
            return _matrix(np.empty(0, np.int32), np.zeros(len(positions) + 1, np.int32), matrix.shape[1])
        rows = sparse.csr_array(matrix[np.where(unknown, 0, positions)])
        if unknown.any():
            # Row 0 stood in for them. Removed by row lengths: multiplying by a mask would keep explicit zeros.
            keep = np.repeat(~unknown, np.diff(rows.indptr))
            lengths = np.where(unknown, 0, np.diff(rows.indptr))
            indptr = np.concatenate([[0], np.cumsum(lengths)])
            rows = sparse.csr_array((rows.data[keep], rows.indices[keep], indptr), shape=rows.shape)
        return rows

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
            n_items = int(arrays["n_items"])
            matrices = [
                _matrix(arrays[f"{name}_indices"], arrays[f"{name}_indptr"], n_items) for name in ("trained", "rated")
            ]
            return cls(arrays["users"], *matrices)


def _plain(ids: Ids) -> Ids:
    """Strings of fixed width in place of objects, which only a pickle could hold."""
    return ids.astype(str) if ids.dtype == object else ids


def _matrix(indices: NDArray[Any], indptr: NDArray[Any], n_items: int) -> sparse.csr_array:
    ones = np.ones(len(indices), dtype=np.float32)
    return sparse.csr_array((ones, indices, indptr), shape=(len(indptr) - 1, n_items))
