"""The best k items a user, without sorting the catalogue."""

from collections.abc import Iterator
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
    """The k highest of each row that ``exclude`` (same shape) does not name. ``scores`` is overwritten.

    Equal scores go by position, lower first, but which of those equal at the k-th place are in is not defined.
    """
    rows = np.repeat(np.arange(scores.shape[0]), np.diff(exclude.indptr))
    scores[rows, exclude.indices] = -np.inf
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
    """The k best items a user that are not in the history; ``fallback`` ranks where ``scorer`` has nothing to say."""
    parts = list(_batches(scorer, fallback, users, histories, k))
    if not parts:
        return TopK(np.empty((0, k), np.int64), np.empty((0, k), np.float32))
    return TopK(np.concatenate([p.positions for p in parts]), np.concatenate([p.scores for p in parts]))


def _batches(
    scorer: Scorer, fallback: Scorer, users: NDArray[np.int64], histories: sparse.csr_array, k: int
) -> Iterator[TopK]:
    for start in range(0, len(users), BATCH):
        who, history = users[start : start + BATCH], histories[start : start + BATCH]
        scores = scorer.scores(who, history)
        silent = ~scores.any(axis=1) | (np.diff(history.indptr) == 0)
        if silent.any():
            scores[silent] = fallback.scores(who[silent], history[silent])
        yield top_k(scores, k, history)
