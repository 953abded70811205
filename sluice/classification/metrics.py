"""What a binary classifier is measured by. The formulas are scikit-learn's."""

import math

import numpy as np
from numpy.typing import ArrayLike


def evaluate(true: ArrayLike, predicted: ArrayLike, probability: ArrayLike) -> dict[str, float]:
    """Accuracy, ROC AUC, Brier score (smaller is better), recall, precision and the confusion matrix as tn, fp, fn, tp.

    All arguments have shape (rows,). Labels are 0 and 1. What is not defined (ROC AUC of one class, precision without
    a yes) is NaN, which no gate lets through.
    """
    from sklearn.metrics import accuracy_score, brier_score_loss, confusion_matrix, roc_auc_score

    true = np.asarray(true)
    tn, fp, fn, tp = (int(count) for count in confusion_matrix(true, predicted, labels=[0, 1]).ravel())
    return {
        "accuracy": float(accuracy_score(true, predicted)),
        "roc_auc": float(roc_auc_score(true, probability)) if len(np.unique(true)) > 1 else math.nan,
        "brier_score": float(brier_score_loss(true, probability, pos_label=1)),
        "recall": tp / (tp + fn) if tp + fn else math.nan,
        "precision": tp / (tp + fp) if tp + fp else math.nan,
        "tn": tn,
        "fp": fp,
        "fn": fn,
        "tp": tp,
    }
