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
    pair of items, from deciding everything; with power 0 it is EASE's X^T X.

    Attributes:
        matrix: float32, shape (supported, supported): of the first items of the catalogue.
        users: whose histories are in it.
        interactions: how many those have.
        history_power: 0 or more.
    """

    matrix: sparse.csr_array
    users: Ids
    interactions: int
    history_power: float

    @classmethod
    def of(cls, interactions: Interactions, supported: int, history_power: float = 0.0) -> "Gram":
        """Of whole users: all of a user's interactions must be here. ``supported`` is how many items count."""
        present = interactions.history_lengths > 0
        history = interactions.matrix[present]
        lengths = np.diff(history.indptr)
        supported_part = history[:, :supported].copy()
        weights = np.repeat(lengths ** (-history_power / 2), np.diff(supported_part.indptr))
        supported_part.data *= weights.astype(np.float32)
        matrix = sparse.csr_array(supported_part.T @ supported_part)
        return cls(matrix, interactions.users[present], int(history.nnz), history_power)

    def __add__(self, other: "Gram") -> "Gram":
        """Of both groups of users.

        Raises:
            ValueError: a user is in both, so products of items across the groups are missing.
        """
        shared = pd.Index(self.users).intersection(pd.Index(other.users))
        if len(shared):
            raise ValueError(
                f"{len(shared)} users, such as {shared[0]!r}, have rows in more than one partition; their items would "
                "not be counted together. Partition the features table by user."
            )
        return Gram(
            sparse.csr_array(self.matrix + other.matrix),
            np.concatenate([self.users, other.users]),
            self.interactions + other.interactions,
            self.history_power,
        )

    def dense(self) -> NDArray[np.float32]:
        """Column-major, scaled so that a user of mean history length weighs 1: ``l2`` means the same for any power."""
        mean_length = self.interactions / max(len(self.users), 1)
        dense: NDArray[np.float32] = self.matrix.toarray(order="F")
        dense *= np.float32(mean_length**self.history_power)
        return dense
