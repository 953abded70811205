"""The best k without a full sort."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from sluice.recommenders.item_weights import ItemWeights
from sluice.recommenders.popularity import Popularity
from sluice.recommenders.top_k import NONE, recommend, top_k


@given(seed=st.integers(0, 10_000), k=st.integers(1, 12))
def test_top_k_agrees_with_sorting_everything(seed: int, k: int) -> None:
    """For any scores and exclusions it gives the items that a full sort puts first."""
    generator = np.random.default_rng(seed)
    scores = generator.permutation(40).reshape(4, 10).astype(np.float32)
    exclude = sparse.csr_array(generator.random((4, 10)) < 0.4, dtype=np.float32)
    masked = np.where(exclude.toarray() > 0, -np.inf, scores)
    expected = [[i for i in np.argsort(-row) if np.isfinite(row[i])][:k] for row in masked]
    found = top_k(scores, k, exclude)
    assert [row[row != NONE].tolist() for row in found.positions] == expected


def _history(*rows: list[int], items: int) -> sparse.csr_array:
    dense = np.zeros((len(rows), items), dtype=np.float32)
    for row, seen in enumerate(rows):
        dense[row, seen] = 1
    return sparse.csr_array(dense)


def test_a_history_without_weights_falls_back_on_popularity() -> None:
    """Nobody goes without: an empty history, or one of items that have no weights, gets popular items."""
    weights = ItemWeights(np.array([[0, 1], [1, 0]], dtype=np.float32))
    fallback = Popularity(np.array([0.9, 0.5, 0.4, 0.1], dtype=np.float32))
    found = recommend(weights, fallback, np.arange(3), _history([], [3], [0], items=4), 2)
    assert found.positions.tolist() == [[0, 1], [0, 1], [1, 2]]


def test_short_lists_are_filled_with_popular_items_after_the_scored_ones() -> None:
    """Items without weights come last, by popularity, and what was seen stays out."""
    weights = ItemWeights(np.array([[0, -2], [1, 0]], dtype=np.float32))
    fallback = Popularity(np.array([0.9, 0.5, 0.4, 0.1], dtype=np.float32))
    found = recommend(weights, fallback, np.arange(2), _history([0], [0, 2], items=4), 4)
    assert found.positions.tolist() == [[1, 2, 3, NONE], [1, 3, NONE, NONE]]
    assert found.scores[0, 0] == -2


def test_nobody_asked_gives_an_empty_answer() -> None:
    """No users is not an error."""
    weights = ItemWeights(np.zeros((2, 2), dtype=np.float32))
    fallback = Popularity(np.zeros(2, dtype=np.float32))
    assert recommend(weights, fallback, np.arange(0), sparse.csr_array((0, 2)), 1).positions.shape == (0, 1)
