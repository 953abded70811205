"""EASE's closed form."""

import numpy as np
import pytest
from scipy import sparse

from sluice.recommenders import ease
from sluice.recommenders.ease import EaseOptions, largest_per_column
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


def test_sparsifying_keeps_the_largest_of_each_column() -> None:
    """Size counts, not sign; the rest is zero and not stored."""
    weights = np.array([[0, 3], [-5, 1], [2, -4]], dtype=np.float32)
    kept = largest_per_column(weights, 1)
    assert kept.toarray().tolist() == [[0, 0], [-5, 0], [0, -4]]
    assert kept.nnz == 2


def test_sparse_weights_score_like_the_dense_ones_they_were_cut_from(interactions: Interactions) -> None:
    """With every weight kept, sparse and dense give equal scores."""
    gram = Gram.of(interactions, 12)
    users = np.arange(40)
    dense = ease.fit(gram, interactions.support, EaseOptions(history_power=0))
    cut = ease.fit(gram, interactions.support, EaseOptions(history_power=0, weights_per_item=12))
    assert isinstance(cut.weights, sparse.csr_array)
    np.testing.assert_allclose(
        cut.scores(users, interactions.matrix), dense.scores(users, interactions.matrix), rtol=1e-5
    )
