"""Search, calibration and threshold, on rows made for it."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

from sluice.classification import cross_validation, decision
from sluice.classification.boosting import BoostingGrid, BoostingOptions
from sluice.classification.columns import Column
from sluice.classification.cross_validation import Folds
from sluice.classification.decision import DecisionOptions
from sluice.classification.network import NetworkGrid, NetworkOptions
from sluice.classification.rows import LabelledRows

COLUMNS = (Column("x"), Column("noise"))


@pytest.fixture(scope="module")
def rows() -> LabelledRows:
    """A fifth is positive, the more likely the larger x is."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(1_000, 2))
    y = generator.random(1_000) < 1 / (1 + np.exp(-2 * (x[:, 0] - 1.1)))
    return LabelledRows(COLUMNS, x, y.astype(np.int64))


class Sure(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Ranks well and is far too sure of itself, as boosting on few rows is. Remembers the largest fit it had."""

    largest = 0

    def fit(self, x: NDArray[np.float64], y: NDArray[np.int64]) -> "Sure":
        self.classes_ = np.array([0, 1])
        type(self).largest = max(self.largest, len(x))
        return self

    def predict_proba(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        positive = 1 / (1 + np.exp(-20 * x[:, 0]))
        return np.column_stack([1 - positive, positive])

    def predict(self, x: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.argmax(self.predict_proba(x), axis=1)


@pytest.mark.parametrize("calibration", ["sigmoid", "isotonic"])
def test_overconfident_scores_become_probabilities(rows: LabelledRows, calibration: Any) -> None:
    """Their mean is the share of positives, and the squared error is far below that of the scores."""
    model = decision.fit(Sure(), rows, DecisionOptions(calibration=calibration, folds=3), seed=0)
    calibrated = model.estimator.predict_proba(rows.x)[:, 1]
    raw = Sure().predict_proba(rows.x)[:, 1]
    assert calibrated.mean() == pytest.approx(rows.y.mean(), abs=0.02)
    assert np.square(calibrated - rows.y).mean() < np.square(raw - rows.y).mean() - 0.05


def test_the_threshold_follows_what_is_maximised(rows: LabelledRows) -> None:
    """With one positive in five, balanced accuracy says yes earlier than accuracy: about at the share of positives."""
    thresholds = {
        maximise: decision.fit(LogisticRegression(), rows, DecisionOptions(maximise=maximise), seed=0).threshold
        for maximise in ("balanced_accuracy", "accuracy")
    }
    assert thresholds["balanced_accuracy"] == pytest.approx(rows.y.mean(), abs=0.1)
    assert thresholds["accuracy"] > thresholds["balanced_accuracy"] + 0.2


def test_the_kept_estimator_has_seen_every_row_and_there_is_one(rows: LabelledRows) -> None:
    """Calibration by folds costs no prediction more than one model."""
    Sure.largest = 0
    model = decision.fit(Sure(), rows, DecisionOptions(folds=3), seed=0)
    assert Sure.largest == len(rows.y)
    assert len(model.estimator.calibrated_classifiers_) == 1


def test_cross_validation_prefers_the_candidate_that_generalises(rows: LabelledRows) -> None:
    """Many deep trees learn these rows by heart: their loss on other rows is larger than that of a few stumps."""
    grid = BoostingGrid(learning_rate=(0.3,), iterations=(10, 200), max_depth=(1, 6))
    candidates = grid.candidates(BoostingOptions(min_samples_leaf=2))
    losses = [cross_validation.log_loss(candidate, rows, Folds(folds=3)) for candidate in candidates]
    best = cross_validation.best(candidates, losses)
    assert (best.max_depth, best.min_samples_leaf) == (1, 2)
    assert losses[-1] > min(losses) + 0.1


def test_a_direction_binds_the_trees(rows: LabelledRows) -> None:
    """A column that may only lower the probability, and that raises it in the rows, is left out."""
    against = (Column("x", direction=-1), Column("noise", direction=1))
    fitted = BoostingOptions().estimator(against, seed=0).fit(rows.x, rows.y)
    line = np.column_stack([np.linspace(-3, 3, 50), np.zeros(50)])
    assert (np.diff(fitted.predict_proba(line)[:, 1]) <= 1e-12).all()


def test_grids_try_every_combination_and_keep_the_rest() -> None:
    """Options that a grid does not name stay as they were given."""
    boosting = BoostingGrid(learning_rate=(0.1, 0.2), iterations=(5,), max_depth=(1, 2)).candidates(
        BoostingOptions(l2=7)
    )
    assert [(c.learning_rate, c.max_depth) for c in boosting] == [(0.1, 1), (0.1, 2), (0.2, 1), (0.2, 2)]
    assert {c.l2 for c in boosting} == {7}
    networks = NetworkGrid(units=((4,), (8, 4)), l2=(0.1,)).candidates(NetworkOptions(epochs=3))
    assert [(c.units, c.l2, c.epochs) for c in networks] == [((4,), 0.1, 3), ((8, 4), 0.1, 3)]


def test_the_first_of_equal_candidates_is_taken() -> None:
    """Equal losses choose the same candidate in every run."""
    assert cross_validation.best([BoostingOptions(l2=1), BoostingOptions(l2=2)], [0.5, 0.5]).l2 == 1
