"""Choosing EASE's hyper-parameters on an inner split of the training data."""

from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from sluice.recommenders import ease
from sluice.recommenders.ease import EaseOptions, popularity_scale
from sluice.recommenders.gram import Gram
from sluice.recommenders.interactions import Interactions
from sluice.recommenders.metrics import Hits, ndcg
from sluice.recommenders.top_k import BATCH, top_k

# The choice hardly depends on more users, and its cost does.
_MAX_USERS = 5_000


class Candidate(NamedTuple):
    """What needs a fit of its own."""

    l2: float
    history_power: float


class Scored(NamedTuple):
    """A candidate with the ``popularity_power`` that suited it best, and the nDCG it got."""

    ndcg: float
    l2: float
    history_power: float
    popularity_power: float


class EaseGrid(BaseModel):
    """What is tried: every combination."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    l2: tuple[float, ...] = Field((150, 250, 400, 600, 900, 1300), min_length=1)
    history_power: tuple[float, ...] = Field((0.0, 0.25, 0.5), min_length=1)
    popularity_power: tuple[float, ...] = Field((0.0, 0.1, 0.2, 0.3), min_length=1, description="tried within each fit")
    min_support: int = Field(
        6, ge=1, description="items with fewer users sit the search out: lists hardly show them, and time is cubic"
    )

    def candidates(self) -> list[Candidate]:
        return [Candidate(l2, power) for l2, power in product(self.l2, self.history_power)]

    @property
    def size(self) -> int:
        return len(self.l2) * len(self.history_power) * len(self.popularity_power)


def score(
    candidate: Candidate,
    train: Interactions,
    validation: sparse.csr_array,
    min_support: int,
    popularity_powers: tuple[float, ...],
    k: int,
) -> Scored:
    """Fit on ``train`` (items by popularity), measure nDCG at k on ``validation`` (same users and items)."""
    supported = int((train.support >= min_support).sum())
    gram = Gram.of(train, supported, candidate.history_power)
    whole = EaseOptions(**candidate._asdict(), popularity_power=0.0, dense_items=None)
    plain = ease.fit(gram, train.support, whole).weights
    scales = [popularity_scale(train.support[:supported], power) for power in popularity_powers]
    users = np.flatnonzero(np.diff(validation.indptr))[:_MAX_USERS]
    found = _recommendations(plain, train.matrix[users], scales, k)
    relevant = sparse.csr_array(validation[users])
    scored = [
        Scored(ndcg(Hits.of(positions, relevant)), *candidate, power)
        for positions, power in zip(found, popularity_powers, strict=True)
    ]
    return max(scored)


def best(scored: list[Scored], options: EaseOptions) -> EaseOptions:
    """``options`` with the best candidate's hyper-parameters."""
    top = max(scored)
    return options.model_copy(update={key: value for key, value in top._asdict().items() if key != "ndcg"})


def _recommendations(
    weights: NDArray[np.float32], histories: sparse.csr_array, scales: list[NDArray[np.float32]], k: int
) -> list[NDArray[np.int64]]:
    """For each scale, positions of shape (users, k). The product with the weights is shared by all of them."""
    found: list[list[NDArray[np.int64]]] = [[] for _ in scales]
    for start in range(0, histories.shape[0], BATCH):
        history = sparse.csr_array(histories[start : start + BATCH])
        scores = history[:, : weights.shape[0]] @ weights
        for parts, scale in zip(found, scales, strict=True):
            parts.append(top_k(scores * scale, k, history).positions)
    return [np.concatenate(parts) for parts in found]
