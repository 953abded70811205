"""The best k items a user, without sorting the catalogue."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

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


def recommend(scorer: Scorer, fallback: Scorer, users: NDArray[np.int64], histories: sparse.csr_array, k: int) -> TopK:
    """The k best items a user that are not in the history.

    ``fallback``, which must score the whole catalogue from 0 to 1, ranks where ``scorer`` has nothing to say, and
    fills lists that would be too short.
    """
    k = min(k, histories.shape[1])
    starts = range(0, max(len(users), 1), BATCH)
    parts = [_batch(scorer, fallback, users[s : s + BATCH], histories[s : s + BATCH], k) for s in starts]
    return TopK(np.concatenate([p.positions for p in parts]), np.concatenate([p.scores for p in parts]))


def _batch(scorer: Scorer, fallback: Scorer, users: NDArray[np.int64], histories: sparse.csr_array, k: int) -> TopK:
    scores = scorer.scores(users, histories)
    lengths = np.diff(histories.indptr)
    silent = ~scores.any(axis=1) | (lengths == 0)
    # A bound that is free: all of the history might be among the items that are scored.
    short = ~silent & (scores.shape[1] - lengths < k) & (scores.shape[1] < histories.shape[1])
    best = TopK(np.full((len(users), k), NONE), np.full((len(users), k), -np.inf, dtype=np.float32))
    for rows, rank in ((~silent & ~short, _as_scored), (short, _below_scored), (silent, _only_fallback)):
        if rows.any():
            ranked = rank(scores[rows], fallback, users[rows], histories[rows])
            found = top_k(ranked, k, histories[rows])
            best.positions[rows, : found.positions.shape[1]] = found.positions
            best.scores[rows, : found.positions.shape[1]] = found.scores
    return best


def _as_scored(
    scores: NDArray[np.float32], fallback: Scorer, users: NDArray[np.int64], histories: sparse.csr_array
) -> NDArray[np.float32]:
    return scores


def _only_fallback(
    scores: NDArray[np.float32], fallback: Scorer, users: NDArray[np.int64], histories: sparse.csr_array
) -> NDArray[np.float32]:
    return fallback.scores(users, histories)


def _below_scored(
    scores: NDArray[np.float32], fallback: Scorer, users: NDArray[np.int64], histories: sparse.csr_array
) -> NDArray[np.float32]:
    """The items that are not scored come after all that are, in the fallback's order."""
    rest = fallback.scores(users, histories)[:, scores.shape[1] :] + scores.min(axis=1, keepdims=True) - 1
    return np.concatenate([scores, rest], axis=1)
