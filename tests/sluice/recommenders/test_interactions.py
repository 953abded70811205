"""Who interacted with what."""

import numpy as np

from sluice.recommenders.interactions import Interactions


def test_a_pair_that_comes_twice_counts_once() -> None:
    """Implicit feedback is binary."""
    found = Interactions.from_ids(["a", "a", "b"], [7, 7, 8])
    assert found.matrix.toarray().tolist() == [[1, 0], [0, 1]]
    assert found.users.tolist() == ["a", "b"]


def test_ids_outside_the_given_axes_are_left_out() -> None:
    """Rows and columns follow the axes that were asked for, also where they are empty."""
    found = Interactions.from_ids([1, 2, 9], [10, 20, 10], users=np.array([2, 1]), items=np.array([10, 30]))
    assert found.matrix.toarray().tolist() == [[0, 0], [1, 0]]


def test_by_popularity_orders_items_by_their_users() -> None:
    """Position 0 is the most popular item; lengths and support follow the new order."""
    found = Interactions.from_ids([1, 2, 3, 1], [5, 6, 6, 6]).by_popularity()
    assert found.items.tolist() == [6, 5]
    assert found.support.tolist() == [3, 1]
    assert found.history_lengths.tolist() == [2, 1, 1]
