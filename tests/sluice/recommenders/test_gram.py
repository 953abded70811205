"""The Gram matrix as a sum over users."""

import numpy as np
import pytest

from sluice.recommenders.gram import Gram
from sluice.recommenders.interactions import Interactions


def _part(interactions: Interactions, rows: slice) -> Interactions:
    return Interactions(interactions.users[rows], interactions.items, interactions.matrix[rows])


@pytest.mark.parametrize("power", [0.0, 0.5])
def test_parts_of_users_sum_to_the_whole(interactions: Interactions, power: float) -> None:
    """Partitions by user give the same matrix as all users at once, weighted or not."""
    whole = Gram.of(interactions, 12, power)
    summed = Gram.of(_part(interactions, slice(0, 13)), 12, power) + Gram.of(
        _part(interactions, slice(13, 40)), 12, power
    )
    np.testing.assert_allclose(summed.dense(), whole.dense(), rtol=1e-5)


def test_power_zero_is_co_occurrence(interactions: Interactions) -> None:
    """Without weights it is X^T X, whatever part of the items is asked for."""
    x = interactions.matrix.toarray()
    np.testing.assert_array_equal(Gram.of(interactions, 5).dense(), (x.T @ x)[:5, :5])


def test_weights_make_long_histories_count_less() -> None:
    """A user with 4 items weighs half of one with 2 for power 1; the scale keeps the mean history at weight 1."""
    found = Interactions.from_ids([1, 1, 1, 1, 2, 2], [1, 2, 3, 4, 5, 6])
    gram = Gram.of(found, 6, history_power=1.0).dense()
    assert gram[0, 1] == pytest.approx(3 / 4)
    assert gram[4, 5] == pytest.approx(3 / 2)


def test_a_user_in_two_parts_is_refused(interactions: Interactions) -> None:
    """A split history would lose products between its halves, so the sum fails and says what to do."""
    with pytest.raises(ValueError, match="Partition the features table by user"):
        _ = Gram.of(interactions, 12) + Gram.of(_part(interactions, slice(39, 40)), 12)
