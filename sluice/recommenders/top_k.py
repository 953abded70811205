"""The best k items a user, without sorting the catalogue."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sluice.recommenders.popularity import Popularity
from sluice.recommenders.ranking import rank
from sluice.recommenders.scorer import Scorer

NONE = -1
# Bounds memory: this many users times the catalogue are scored at once.
BATCH = 512


@dataclass(frozen=True)
class TopK:
    """Attributes:
    positions: int64, shape (users, k), best first, `NONE` where fewer than k items are left.
    scores: float32, shape (users, k).
    """

    positions: NDArray[np.int64]
    scores: NDArray[np.float32]


def top_k(scores: NDArray[np.float32], k: int, exclude: sparse.csr_array) -> TopK:
    """The k highest of each row that ``exclude`` does not name. ``scores``, shape (users, m), is overwritten.

    ``exclude`` may have more than m columns; the rest are not looked at.

    Equal scores go by position, lower first, but which of those equal at the k-th place are in is not defined.
    """
    rows = np.repeat(np.arange(scores.shape[0]), np.diff(exclude.indptr))
    inside = exclude.indices < scores.shape[1]
    scores[rows[inside], exclude.indices[inside]] = -np.inf
    k = min(k, scores.shape[1])
    if k < scores.shape[1]:
        best = np.argpartition(scores, scores.shape[1] - k, axis=1)[:, scores.shape[1] - k :]
    else:
        best = np.tile(np.arange(k), (scores.shape[0], 1))
    best.sort(axis=1)
    values = np.take_along_axis(scores, best, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    positions = np.take_along_axis(best, order, axis=1).astype(np.int64)
    values = np.take_along_axis(values, order, axis=1)
    return TopK(np.where(np.isneginf(values), NONE, positions), values)


def recommend(
    scorer: Scorer, fallback: Popularity, users: NDArray[np.int64], histories: sparse.csr_array, k: int
) -> TopK:
    """The k best items of each user that are not in the history, as `sluice.recommenders.ranking.rank` finds them."""
    k = min(k, histories.shape[1])
    top = TopK(np.full((len(users), k), NONE), np.full((len(users), k), -np.inf, dtype=np.float32))
    for row, (user, start, end) in enumerate(zip(users, histories.indptr, histories.indptr[1:], strict=False)):
        best = rank(scorer, fallback.share, user, histories.indices[start:end], k)
        top.positions[row, : len(best.positions)] = best.positions
        top.scores[row, : len(best.positions)] = best.scores
    return top
