"""The Gram matrix of interactions: all that EASE needs to know, and a sum over groups of users."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from sluice.recommenders.interactions import Ids, Interactions


@dataclass(frozen=True)
class Gram:
    """``sum_u w_u x_u x_u^T`` over some users, with ``w_u = |x_u| ** -history_power``.

    ``x_u`` is the user's binary history. The weight keeps users with long histories, who touch each other's every
    pair of items, from deciding everything; with power 0 it is EASE's X^T X. Histories come along, because the model
    that is fitted from the sum serves them.

    Attributes:
        matrix: float32, shape (support, support): items below the support that was asked for are not in it.
        history_power: 0 or more.
        interactions: of these users, over all items.
    """

    matrix: sparse.csr_array
    history_power: float
    interactions: Interactions

    @classmethod
    def of(cls, interactions: Interactions, supported: int, history_power: float = 0.0) -> "Gram":
        """Of whole users: all of a user's interactions must be here. ``supported`` is how many items count."""
        lengths = np.maximum(interactions.history_lengths, 1)
        weighted = interactions.matrix[:, :supported].copy()
        weighted.data *= np.repeat(lengths ** (-history_power / 2), np.diff(weighted.indptr)).astype(np.float32)
        return cls(sparse.csr_array(weighted.T @ weighted), history_power, interactions)

    def __add__(self, other: "Gram") -> "Gram":
        """Of both groups of users.

        Raises:
            ValueError: a user is in both, so products of items across the groups are missing.
        """
        mine, theirs = self.interactions, other.interactions
        shared = pd.Index(mine.users).intersection(pd.Index(theirs.users))
        if len(shared):
            raise ValueError(
                f"{len(shared)} users, such as {shared[0]!r}, have rows in more than one partition; their items would "
                "not be counted together. Partition the features table by user."
            )
        both = Interactions(
            np.concatenate([mine.users, theirs.users]),
            mine.items,
            sparse.csr_array(sparse.vstack([mine.matrix, theirs.matrix])),
        )
        return Gram(sparse.csr_array(self.matrix + other.matrix), self.history_power, both)

    def dense(self) -> NDArray[np.float32]:
        """Column-major, scaled so that a user of mean history length weighs 1: ``l2`` then means the same for any
        power."""
        scale = float(np.maximum(self.interactions.history_lengths, 1).mean()) ** self.history_power
        dense = self.matrix.toarray(order="F")
        dense *= np.float32(scale)
        return dense
