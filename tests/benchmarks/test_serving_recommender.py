"""The recommender that the serving benchmarks ask."""

import numpy as np

from benchmarks.serving_recommender import crowd
from sluice.recommenders.model import RecommenderModel
from sluice.recommenders.popularity import Popularity


def test_a_crowd_is_like_the_users_it_comes_from() -> None:
    """Histories as long as real ones, a quarter of them held out, over a catalogue that knows its support."""
    catalogue, histories = crowd(300)
    lengths = np.diff(histories.rated.indptr)
    assert len(catalogue) == 9_066
    assert histories.users.tolist() == list(range(1, 301))
    assert 100 < lengths.mean() < 200
    assert 0.7 < histories.trained.nnz / histories.rated.nnz < 0.8
    assert (histories.trained > histories.rated).nnz == 0
    np.testing.assert_array_equal(histories.trained.sum(axis=0), catalogue.support)
    assert (np.diff(catalogue.support) <= 0).all()


def test_a_crowd_can_be_served() -> None:
    """A model over it knows its users and does not recommend what they have."""
    catalogue, histories = crowd(20)
    model = RecommenderModel(catalogue, histories, Popularity.of(catalogue.support, 20))
    answer = model.recommend_one(7, 10, genre="comedy")
    assert answer.known
    assert all("Comedy" in genres for genres in answer.genres)
    assert not set(catalogue.find(answer.item_ids).tolist()) & set(histories.of(6, False).tolist())
