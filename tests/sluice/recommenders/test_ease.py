"""EASE's closed form."""

import numpy as np
import pytest

from sluice.recommenders import ease
from sluice.recommenders.ease import EaseOptions
from sluice.recommenders.gram import Gram
from sluice.recommenders.interactions import Interactions


def _least_squares(x: np.ndarray, l2: float, weights: np.ndarray) -> np.ndarray:
    """The same problem solved column by column: ridge regression on all other items."""
    n_items = x.shape[1]
    solution = np.zeros((n_items, n_items))
    for item in range(n_items):
        others = np.delete(np.arange(n_items), item)
        a = x[:, others]
        left = (a * weights[:, None]).T @ a + l2 * np.eye(len(others))
        solution[others, item] = np.linalg.solve(left, (a * weights[:, None]).T @ x[:, item])
    return solution


@pytest.mark.parametrize("power", [0.0, 0.5])
def test_closed_form_is_constrained_least_squares(interactions: Interactions, power: float) -> None:
    """Equation 8 gives what ridge regression with a zero diagonal gives, also with weighted users."""
    x = interactions.matrix.toarray().astype(float)
    lengths = x.sum(axis=1)
    expected = _least_squares(x, 5.0, (lengths / lengths.mean()) ** -power)
    options = EaseOptions(l2=5.0, history_power=power, popularity_power=0)
    fitted = ease.fit(Gram.of(interactions, 12, power), interactions.support, options)
    np.testing.assert_allclose(fitted.weights, expected, atol=1e-5)
    assert not np.diag(fitted.weights).any()


def test_popularity_power_scales_columns(interactions: Interactions) -> None:
    """An item's scores are multiplied by its relative support to the power of minus the option."""
    gram, support = Gram.of(interactions, 12), interactions.support
    plain = ease.fit(gram, support, EaseOptions(history_power=0, popularity_power=0)).weights
    scaled = ease.fit(gram, support, EaseOptions(history_power=0, popularity_power=0.5)).weights
    np.testing.assert_allclose(scaled, plain * (support / support.max()) ** -0.5, rtol=1e-5)


def test_a_gram_matrix_of_another_power_is_refused(interactions: Interactions) -> None:
    """Options and matrix must belong together."""
    with pytest.raises(ValueError, match="history_power"):
        ease.fit(Gram.of(interactions, 12, 0.5), interactions.support, EaseOptions(history_power=0.25))


def test_something_that_is_no_gram_matrix_is_refused() -> None:
    """A matrix that is not positive definite fails with a reason instead of giving nonsense."""
    with pytest.raises(np.linalg.LinAlgError, match="positive definite"):
        ease.solve(np.asfortranarray([[0, 9], [9, 0]], dtype=np.float32), 1.0)


def test_options_say_which_weights_are_kept(interactions: Interactions) -> None:
    """The most popular items keep all of their weights; without a limit every item does."""
    gram = Gram.of(interactions, 12)
    whole = ease.fit(gram, interactions.support, EaseOptions(history_power=0, dense_items=None))
    options = EaseOptions(history_power=0, dense_items=5, weights_per_item=2)
    cut = ease.fit(gram, interactions.support, options)
    assert whole.rest is None
    assert cut.rest is not None
    assert cut.rest.values.shape == (12, 2)
    np.testing.assert_array_equal(cut.weights, whole.weights[:, :5])
