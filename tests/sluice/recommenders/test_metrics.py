"""Ranking metrics against examples computed by hand."""

import math

import numpy as np
import pytest
from scipy import sparse

from sluice.recommenders import metrics
from sluice.recommenders.top_k import NONE

# User 0 finds items 1 and 3 at ranks 1 and 3 of its 2 relevant ones; user 1 finds nothing of 1; user 2 has nothing to
# find and does not count; user 3 has 4 relevant items and a list of one, which hits.
POSITIONS = np.array([[1, 0, 3], [0, 1, 2], [0, 1, 2], [4, NONE, NONE]])
RELEVANT = sparse.csr_array(
    np.array([[0, 1, 0, 1, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 0, 1]], dtype=np.float32)
)


@pytest.fixture
def found() -> dict[str, float]:
    return metrics.evaluate(POSITIONS, RELEVANT, support=np.array([4, 2, 2, 1, 0]), users=4)


def test_ndcg_discounts_by_rank_and_compares_with_the_ideal_list(found: dict[str, float]) -> None:
    """The ideal list has min(relevant, k) hits at the top."""
    third = 1 / math.log2(4)
    second = 1 / math.log2(3)
    assert found["ndcg"] == pytest.approx(((1 + third) / (1 + second) + 0 + 1 / (1 + second + third)) / 3)


def test_map_divides_by_all_relevant_items(found: dict[str, float]) -> None:
    """Not by min(relevant, k): user 3 gets a quarter for its one hit of four."""
    assert found["map"] == pytest.approx(((1 + 2 / 3) / 2 + 0 + 1 / 4) / 3)


def test_precision_divides_by_k_and_recall_by_the_relevant_items(found: dict[str, float]) -> None:
    """A list that is short still counts as k long."""
    assert found["precision"] == pytest.approx((2 / 3 + 0 + 1 / 3) / 3)
    assert found["recall"] == pytest.approx((1 + 0 + 1 / 4) / 3)


def test_coverage_counts_items_that_anybody_got(found: dict[str, float]) -> None:
    """All five items are in some list; an absent item is not one of them."""
    assert found["coverage"] == 1.0
    assert metrics.coverage(np.array([[0, NONE]]), 5) == pytest.approx(0.2)


def test_novelty_is_mean_self_information() -> None:
    """Items that 4, 2 and 1 of 4 users have carry 0, 1 and 2 bits; one that nobody has counts as if one had."""
    support = np.array([4, 2, 1, 0])
    assert metrics.novelty(np.array([[0, 1], [2, 3]]), support, users=4) == pytest.approx((0 + 1 + 2 + 2) / 4)


def test_a_perfect_list_scores_one() -> None:
    """nDCG, precision and recall reach 1 where everything relevant is on top."""
    relevant = sparse.csr_array(np.array([[1, 1, 0]], dtype=np.float32))
    found = metrics.evaluate(np.array([[1, 0]]), relevant, support=np.ones(3, dtype=np.int64), users=1)
    assert [found[name] for name in ("ndcg", "map", "precision", "recall")] == [1, 1, 1, 1]


def test_nothing_relevant_is_an_error() -> None:
    """An empty hold-out must not look like a metric."""
    with pytest.raises(ValueError, match="hold-out empty"):
        metrics.evaluate(POSITIONS, sparse.csr_array((4, 5)), support=np.ones(5, dtype=np.int64), users=4)
