"""Ranking metrics at k, as means over the users that have something to find.

Definitions follow G. Shani, A. Gunawardana, Evaluating Recommendation Systems (2011), and, so that figures compare, the
protocol of the Microsoft Recommenders benchmark: relevance is binary and MAP divides by all relevant items.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sluice.recommenders.top_k import NONE


@dataclass(frozen=True)
class Hits:
    """Where recommendations met what users went on to choose.

    Attributes:
        found: bool, shape (users, k): the item at that rank is relevant.
        relevant: int, shape (users,): how many relevant items each user has, at least 1.
    """

    found: NDArray[np.bool_]
    relevant: NDArray[np.int64]

    @classmethod
    def of(cls, positions: NDArray[np.int64], relevant: sparse.csr_array) -> "Hits":
        """Args:
        positions: shape (users, k), best first, `NONE` where there is no item.
        relevant: shape (users, items), nonzero where the item is relevant to the user.
        """
        counts = np.diff(relevant.indptr).astype(np.int64)
        has_some = counts > 0
        users, n_items = relevant.shape
        owners = np.repeat(np.arange(users), counts)
        wanted = owners * n_items + relevant.indices
        offered = np.arange(users)[:, None] * n_items + positions
        found = np.isin(offered, wanted) & (positions != NONE)
        return cls(found[has_some], counts[has_some])


def ndcg(hits: Hits) -> float:
    """``DCG / ideal DCG``, ``DCG = sum_r hit_r / log2(r + 1)``, ranks r from 1 (Järvelin, Kekäläinen 2002, binary)."""
    k = hits.found.shape[1]
    discounts = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discounts)[np.minimum(hits.relevant, k) - 1]
    return float(((hits.found @ discounts) / ideal).mean())


def mean_average_precision(hits: Hits) -> float:
    """``mean_u sum_r hit_r precision_at_r / |relevant_u|``: by all relevant items, also where they exceed k."""
    precision_at = np.cumsum(hits.found, axis=1) / np.arange(1, hits.found.shape[1] + 1)
    return float(((precision_at * hits.found).sum(axis=1) / hits.relevant).mean())


def precision(hits: Hits) -> float:
    """``mean_u |hits_u| / k``."""
    return float(hits.found.mean())


def recall(hits: Hits) -> float:
    """``mean_u |hits_u| / |relevant_u|``."""
    return float((hits.found.sum(axis=1) / hits.relevant).mean())


def coverage(positions: NDArray[np.int64], n_items: int) -> float:
    """Share of the catalogue that anybody was recommended."""
    return float(len(np.unique(positions[positions != NONE])) / n_items)


def novelty(positions: NDArray[np.int64], support: NDArray[np.int64], users: int) -> float:
    """Mean self-information ``-log2(support_i / users)`` of the recommended items, in bits (Zhou et al. 2010).

    An item that nobody chose counts as if one user had: its information would be infinite.
    """
    information = -np.log2(np.maximum(support, 1) / max(users, 1))
    return float(information[positions[positions != NONE]].mean())


def evaluate(
    positions: NDArray[np.int64], relevant: sparse.csr_array, support: NDArray[np.int64], users: int
) -> dict[str, float]:
    """All of them, by name.

    Args:
        positions: recommendations, shape (users evaluated, k), best first, `NONE` where there is no item.
        relevant: shape (users evaluated, items).
        support: users an item in the training data, shape (items,).
        users: users in the training data.

    Raises:
        ValueError: no user has a relevant item.
    """
    hits = Hits.of(positions, relevant)
    if not len(hits.relevant):
        raise ValueError("no user has a relevant item, so there is nothing to measure; is the hold-out empty?")
    return {
        "ndcg": ndcg(hits),
        "map": mean_average_precision(hits),
        "precision": precision(hits),
        "recall": recall(hits),
        "coverage": coverage(positions, relevant.shape[1]),
        "novelty": novelty(positions, support, users),
    }
