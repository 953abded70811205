"""The choice of EASE's hyper-parameters."""

import numpy as np

from sluice.recommenders import ease, ease_search
from sluice.recommenders.ease import EaseOptions
from sluice.recommenders.ease_search import Candidate, EaseGrid, Scored
from sluice.recommenders.gram import Gram
from sluice.recommenders.interactions import Interactions
from sluice.recommenders.metrics import Hits, ndcg
from sluice.recommenders.popularity import Popularity
from sluice.recommenders.top_k import recommend


def test_score_is_the_ndcg_of_the_model_with_those_options(interactions: Interactions) -> None:
    """The shortcut that shares a fit between popularity powers measures what a fit of its own would give."""
    generator = np.random.default_rng(1)
    held = interactions.matrix.copy()
    out = generator.random(held.nnz) < 0.3
    train, validation = held.copy(), held.copy()
    train.data[out], validation.data[~out] = 0, 0
    train.eliminate_zeros()
    validation.eliminate_zeros()
    inner = Interactions(interactions.users, interactions.items, train).by_popularity()
    relevant = Interactions(interactions.users, interactions.items, validation)
    relevant_matrix = relevant.matrix[:, [list(interactions.items).index(item) for item in inner.items]]

    scored = ease_search.score(Candidate(3.0, 0.25), inner, relevant_matrix, 1, (0.2,), 5)

    options = EaseOptions(l2=3.0, history_power=0.25, popularity_power=0.2)
    fitted = ease.fit(Gram.of(inner, 12, 0.25), inner.support, options)
    top = recommend(fitted, Popularity.of(inner.support, 40), np.arange(40), inner.matrix, 5)
    assert scored.ndcg == ndcg(Hits.of(top.positions, relevant_matrix))


def test_best_takes_the_candidate_with_the_highest_ndcg() -> None:
    """Hyper-parameters come from the winner, everything else stays as it was."""
    scored = [Scored(0.1, 100, 0, 0.3), Scored(0.2, 50, 0.5, 0.1)]
    assert ease_search.best(scored, EaseOptions(weights_per_item=7)) == EaseOptions(
        l2=50, history_power=0.5, popularity_power=0.1, weights_per_item=7
    )


def test_grid_needs_a_fit_for_each_penalty_and_weighting_only() -> None:
    """Popularity powers are tried within a fit."""
    grid = EaseGrid(l2=(1, 2, 3), history_power=(0, 1), popularity_power=(0, 0.1))
    assert len(grid.candidates()) == 6
    assert grid.size == 12
