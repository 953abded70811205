"""The best items for one user."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.recommenders.factors import Factors
from sluice.recommenders.item_weights import ItemWeights
from sluice.recommenders.popularity import Popularity
from sluice.recommenders.ranking import highest, rank
from sluice.recommenders.scorer import Scorer


def _sorted(scores: np.ndarray, k: int) -> list[int]:
    return [int(i) for i in np.argsort(-scores, kind="stable") if scores[i] > -np.inf][:k]


@given(
    seed=st.integers(0, 10_000),
    size=st.sampled_from([1, 5, 511, 512, 700, 3000]),
    k=st.integers(1, 200),
    few_values=st.booleans(),
    hidden=st.sampled_from([0.0, 0.5, 0.99, 1.0]),
)
def test_highest_is_the_start_of_a_full_sort(seed: int, size: int, k: int, few_values: bool, hidden: float) -> None:
    """For any number of scores, also with ties, with most of them hidden, and with k above what is there."""
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, 3, size) if few_values else generator.standard_normal(size)
    scores = np.where(generator.random(size) < hidden, -np.inf, scores).astype(np.float32)
    found = highest(scores, k)
    assert found.positions.tolist() == _sorted(scores, k)
    assert found.scores.tolist() == scores[found.positions].tolist()


def _scorer(kind: str, generator: np.random.Generator, items: int, supported: int) -> tuple[Scorer, np.ndarray]:
    """One, and the matrix that a history is multiplied with to get the same scores."""
    if kind == "popularity":
        share = generator.random(items).astype(np.float32)
        return Popularity(share), np.tile(share, (items, 1))
    if kind == "als":
        vectors = generator.standard_normal((2, 8)).astype(np.float32), generator.standard_normal((items, 8))
        fitted = Factors(vectors[0], vectors[1].astype(np.float32))
        return fitted, np.tile(fitted.items @ fitted.users[1], (items, 1))
    weights = generator.standard_normal((supported, supported)).astype(np.float32)
    if kind == "dense":
        return ItemWeights(weights), weights
    dense = supported // 3
    rest = weights[:, dense:]
    kept = np.abs(rest) >= np.sort(np.abs(rest), axis=1)[:, [-5]]
    return ItemWeights.cut(weights, dense, 5), np.hstack([weights[:, :dense], np.where(kept, rest, 0)])


@given(
    kind=st.sampled_from(["dense", "cut", "als", "popularity"]),
    seed=st.integers(0, 10_000),
    length=st.sampled_from([0, 1, 20, 300, 600]),
    k=st.sampled_from([1, 10, 100, 900]),
    filtered=st.booleans(),
)
@settings(deadline=None)  # a busy machine is no failure
def test_rank_is_the_start_of_a_full_sort(kind: str, seed: int, length: int, k: int, filtered: bool) -> None:
    """Scores are the product of history and weights; below them come unscored items by popularity, never seen ones."""
    items, supported = 600, 550
    generator = np.random.default_rng(seed)
    scorer, weights = _scorer(kind, generator, items, supported)
    history = generator.permutation(items)[:length].astype(np.int32)
    excluded = generator.permutation(items)[:30] if filtered else None
    penalty = np.where(generator.random(items) < 0.7, -np.inf, 0).astype(np.float32) if filtered else None
    share = np.sort(generator.random(items).astype(np.float32))[::-1]

    per_row = kind in ("als", "popularity")
    known = history[:1] if per_row else history[history < supported]
    product = weights[known].sum(axis=0, dtype=np.float64) if len(known) else np.zeros(0)
    hidden = np.zeros(items, bool)
    hidden[history] = True
    if excluded is not None and penalty is not None:
        hidden[excluded] = True
        hidden |= penalty < 0
    silent = not product[~hidden[: len(product)]].any()
    expected = share.astype(np.float64) if silent else np.concatenate([product, share[len(product) :] - 1e9])
    expected[hidden] = -np.inf

    found = rank(scorer, share, 1, history, k, excluded, penalty)
    order = _sorted(expected, k)
    scores = expected[order]
    assert len(found.positions) == len(order) == len(set(found.positions.tolist()))
    # Of two that are equal but for rounding either may come first: what counts is the score at each place.
    np.testing.assert_allclose(expected[found.positions], scores, atol=1e-4)
    inside = np.ones(len(order), bool) if silent and not len(product) else found.positions < len(product)
    np.testing.assert_allclose(found.scores[inside], scores[inside], atol=1e-4)
    assert (np.diff(found.scores) <= 0).all()


def test_a_history_without_weights_falls_back_on_popularity() -> None:
    """Nobody goes without: an empty history, or one of items that have no weights, gets popular items."""
    weights = ItemWeights(np.array([[0, 1], [1, 0]], dtype=np.float32))
    share = np.array([0.9, 0.5, 0.4, 0.1], dtype=np.float32)
    for history, expected in (([], [0, 1]), ([3], [0, 1]), ([0], [1, 2])):
        assert rank(weights, share, 0, np.array(history, np.int32), 2).positions.tolist() == expected


def test_nothing_left_gives_an_empty_list() -> None:
    """A user who has seen everything is no error."""
    share = np.array([0.9, 0.5], dtype=np.float32)
    for history in ([], [0, 1]):
        found = rank(Popularity(share), share, 0, np.array(history, np.int32), 2, excluded=np.array([0, 1]))
        assert found.positions.tolist() == []
    assert share.tolist() == np.array([0.9, 0.5], np.float32).tolist()
