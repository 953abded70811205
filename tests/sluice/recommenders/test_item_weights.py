"""Weights between items, cut to what lists need."""

from pathlib import Path

import numpy as np
import pytest

from sluice.recommenders.item_weights import ItemWeights, LargestWeights


def test_the_largest_of_each_row_are_kept() -> None:
    """Size counts, not sign; of fewer than that all are kept."""
    weights = np.array([[0.5, 3, -4], [-5, 1, 0.1]], dtype=np.float32)
    kept = LargestWeights.of(weights, 2)
    assert kept.columns.tolist() == [[1, 2], [0, 1]]
    assert kept.values.tolist() == [[3, -4], [-5, 1]]
    np.testing.assert_array_equal(LargestWeights.of(weights, 9).values, weights)


def test_a_history_sums_its_rows() -> None:
    """All weights to the popular items and the largest to the others, in the place of the item that is scored."""
    weights = np.array([[0, 1, 2, 3], [4, 0, 6, -7], [8, 9, 0, 1], [1, 1, 1, 0]], dtype=np.float32)
    cut = ItemWeights.cut(weights, 2, 1)
    assert cut.score(0, np.array([0, 1])).tolist() == [4, 1, 0, -4]
    assert cut.score(0, np.array([2])).tolist() == [8, 9, 0, 1]
    assert cut.score(0, np.array([0, 17])).tolist() == [0, 1, 0, 3]


@pytest.mark.parametrize("dense", [None, 40, 60])
def test_cutting_nothing_off_changes_no_score(dense: int | None) -> None:
    """Whatever part is dense, also for a history that is summed in several parts."""
    weights = np.random.default_rng(0).standard_normal((60, 60)).astype(np.float32)
    cut = ItemWeights.cut(weights, dense, 20)
    np.testing.assert_allclose(cut.score(0, np.arange(50)), weights[:50].sum(axis=0), atol=1e-4)


def test_a_long_history_is_summed_in_parts() -> None:
    """More rows than one part holds give the sum of all of them."""
    weights = np.random.default_rng(0).standard_normal((300, 2000)).astype(np.float32)
    expected = weights.astype(float).sum(axis=0)
    np.testing.assert_allclose(ItemWeights(weights).score(0, np.arange(300)), expected, atol=1e-4)


def test_of_a_history_above_the_limit_the_popular_items_count() -> None:
    """The work for one user is bounded; the first positions are the popular ones, in whatever order they come."""
    weights = np.diag([1, 2, 3, 4]).astype(np.float32)
    bounded = ItemWeights.cut(weights, None, 1, longest=2)
    assert bounded.score(0, np.array([3, 1, 0])).tolist() == [1, 2, 0, 0]
    assert bounded.score(0, np.array([3, 2])).tolist() == [0, 0, 3, 4]


def test_cut_weights_are_smaller_and_the_same_after_loading(tmp_path: Path) -> None:
    """What is written is what is needed, and gives the same scores."""
    weights = np.random.default_rng(0).standard_normal((90, 90)).astype(np.float32)
    cut = ItemWeights.cut(weights, 20, 10, longest=5)
    assert cut.nbytes < ItemWeights(weights).nbytes * 0.6
    cut.save(tmp_path / "scorer.npz")
    with np.load(tmp_path / "scorer.npz", allow_pickle=False) as arrays:
        loaded = ItemWeights.load(arrays)
    np.testing.assert_array_equal(loaded.score(0, np.arange(9)), cut.score(0, np.arange(9)))
