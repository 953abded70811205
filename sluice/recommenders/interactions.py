"""Who interacted with what, as a sparse binary matrix."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

Ids = NDArray[Any]


@dataclass(frozen=True)
class Interactions:
    """Implicit feedback.

    Attributes:
        users: ids, shape (users,), each once.
        items: ids, shape (items,), each once.
        matrix: float32, shape (users, items), 1 where the user interacted with the item.
    """

    users: Ids
    items: Ids
    matrix: sparse.csr_array

    @classmethod
    def from_ids(
        cls,
        user_ids: Sequence[Any] | Ids,
        item_ids: Sequence[Any] | Ids,
        *,
        users: Ids | None = None,
        items: Ids | None = None,
    ) -> "Interactions":
        """From one user id and one item id a rating; a pair that comes twice counts once.

        With ``users`` or ``items`` given, rows and columns are those, and pairs with any other id are left out.
        """
        owners, chosen = pd.Index(np.asarray(user_ids)), pd.Index(np.asarray(item_ids))
        kept_users = np.asarray(owners.unique()) if users is None else users
        kept_items = np.asarray(chosen.unique()) if items is None else items
        rows: NDArray[Any] = pd.Index(kept_users).get_indexer(owners)
        columns: NDArray[Any] = pd.Index(kept_items).get_indexer(chosen)
        inside = (rows >= 0) & (columns >= 0)
        ones = np.ones(int(inside.sum()), dtype=np.float32)
        shape = (len(kept_users), len(kept_items))
        matrix: sparse.csr_array = sparse.csr_array((ones, (rows[inside], columns[inside])), shape=shape)
        matrix.sum_duplicates()
        matrix.data[:] = 1
        return cls(kept_users, kept_items, matrix)

    @property
    def history_lengths(self) -> NDArray[np.int64]:
        """Items a user, shape (users,)."""
        return np.diff(self.matrix.indptr).astype(np.int64)

    @property
    def support(self) -> NDArray[np.int64]:
        """Users an item, shape (items,)."""
        return np.bincount(self.matrix.indices, minlength=len(self.items)).astype(np.int64)

    def by_popularity(self) -> "Interactions":
        """The same, with items in the order that this package expects: most users first."""
        order = np.argsort(-self.support, kind="stable")
        return Interactions(self.users, self.items[order], self.matrix[:, order])
