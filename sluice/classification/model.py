"""The classifier as MLflow saves and serves it: preparation, estimator and threshold, and nothing of a use case."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext

from sluice.classification.columns import Column, matrix
from sluice.classification.threads import one_thread

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin


class ClassifierModel(PythonModel):
    """Input: the columns as numbers, none missing, each in its range, in any order; others are passed over.

    Output, one row an input row: ``label``, 1 where ``probability`` reaches the threshold and 0 elsewhere;
    ``probability`` (0 to 1) of the positive class.

    Attributes:
        columns: what is asked for, in the order that ``estimator`` was fitted with.
        estimator: anything with scikit-learn's ``predict_proba``; it takes a matrix of shape (rows, columns).
        threshold: 0 to 1.
    """

    def __init__(self, columns: tuple[Column, ...], estimator: "ClassifierMixin", threshold: float) -> None:
        self.columns = columns
        self.estimator = estimator
        self.threshold = threshold

    def predict(
        self, context: PythonModelContext | None, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """See the class.

        Raises:
            InputInvalidError: a column is missing, or a value is missing, no number or out of range.
            DependencyMissingError: what the estimator runs on is not installed here.
        """
        rows = matrix(model_input, self.columns)
        with one_thread():
            probability = self.estimator.predict_proba(rows)[:, 1] if len(rows) else np.empty(0)
        label = (probability >= self.threshold).astype(np.int64)
        return pd.DataFrame({"label": label, "probability": probability}, index=model_input.index)
