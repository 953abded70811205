"""Calibrated probabilities, and the threshold from which they mean yes, both from rows that the fit did not see."""

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from sluice.classification.model import ClassifierModel
from sluice.classification.rows import LabelledRows
from sluice.classification.threads import one_thread

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin


class DecisionOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    calibration: Literal["sigmoid", "isotonic"] = Field(
        "sigmoid", description="isotonic needs a thousand rows or more, or it learns the noise"
    )
    maximise: Literal["balanced_accuracy", "accuracy", "f1"] = Field(
        "balanced_accuracy", description="the threshold is the one that is best for this"
    )
    folds: int = Field(5, ge=2, description="of the training rows, for each of the two")


def fit(estimator: "ClassifierMixin", rows: LabelledRows, options: DecisionOptions, seed: int) -> ClassifierModel:
    """Fit, calibrate and choose the threshold with the training ``rows`` alone.

    Calibration maps out-of-fold scores to probabilities, and one estimator fitted on all rows is kept, so a prediction
    costs one model and not one a fold. The threshold is chosen on folds outside of that: each fold's probabilities come
    from an estimator and a calibration that did not see it.
    """
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.model_selection import StratifiedKFold, TunedThresholdClassifierCV

    inner = StratifiedKFold(options.folds, shuffle=True, random_state=seed)
    outer = StratifiedKFold(options.folds, shuffle=True, random_state=seed + 1)
    calibrated = CalibratedClassifierCV(estimator, method=options.calibration, cv=inner, ensemble=False)
    tuned = TunedThresholdClassifierCV(calibrated, scoring=options.maximise, cv=outer)
    with one_thread():
        tuned.fit(rows.x, rows.y)
    return ClassifierModel(rows.columns, tuned.estimator_, float(tuned.best_threshold_))
