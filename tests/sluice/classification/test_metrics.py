"""Metrics of a binary classifier."""

import math

import pytest

from sluice.classification import metrics


def test_metrics_of_a_small_example() -> None:
    """Counted by hand: two of three positives found, one of two negatives taken for one."""
    found = metrics.evaluate([1, 1, 1, 0, 0], [1, 1, 0, 1, 0], [0.9, 0.8, 0.4, 0.6, 0.1])
    assert {name: found[name] for name in ("tn", "fp", "fn", "tp")} == {"tn": 1, "fp": 1, "fn": 1, "tp": 2}
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["roc_auc"] == pytest.approx(5 / 6)
    assert found["brier_score"] == pytest.approx((0.01 + 0.04 + 0.36 + 0.36 + 0.01) / 5)


def test_what_is_not_defined_is_not_a_number() -> None:
    """A hold-out of one class has no ROC AUC, and no warning; the gate lets no NaN through."""
    found = metrics.evaluate([0, 0], [0, 0], [0.1, 0.2])
    assert [name for name, value in found.items() if math.isnan(value)] == ["roc_auc", "recall", "precision"]
    assert found["accuracy"] == 1
    assert found["tn"] == 2
