"""How good a candidate's probabilities are on rows that it was not fitted on."""

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from sluice.classification.columns import Column
from sluice.classification.rows import LabelledRows
from sluice.classification.threads import one_thread

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin


class Options(Protocol):
    """Hyper-parameters that an estimator can be made from."""

    def estimator(self, columns: tuple[Column, ...], seed: int) -> "ClassifierMixin": ...


class Folds(NamedTuple):
    """Stratified folds, ``repeats`` times with other borders."""

    folds: int = 5
    repeats: int = 1
    seed: int = 0


O = TypeVar("O", bound=Options)  # noqa: E741


def log_loss(candidate: Options, rows: LabelledRows, folds: Folds) -> float:
    """Mean log loss over all folds, smaller is better. It judges probabilities, whatever the threshold will be."""
    from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score

    splitter = RepeatedStratifiedKFold(n_splits=folds.folds, n_repeats=folds.repeats, random_state=folds.seed)
    estimator = candidate.estimator(rows.columns, folds.seed)
    with one_thread():
        scores = cross_val_score(
            estimator, rows.x, rows.y, cv=splitter, scoring="neg_log_loss", error_score="raise", n_jobs=1
        )
    return -float(scores.mean())


def best(candidates: list[O], losses: list[float]) -> O:
    """The candidate with the smallest loss, the first of equals."""
    return candidates[min(range(len(candidates)), key=losses.__getitem__)]
