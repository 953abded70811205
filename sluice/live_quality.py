"""How good a version is by what came true: outcomes that feedback told, beside the answers they belong to.

Of every measure more is better, so that a floor and a lead mean the same for all.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from sluice.documents import Document
from sluice.logged_predictions import items
from sluice.monitor_findings import Uptake
from sluice.monitor_options import Outcome

_MOST_CLASSES = 20


def measure(feedback: Sequence[Document], outcome: Outcome) -> dict[str, float]:
    """``accuracy``, and ``roc_auc`` where the answer is a probability, of labels; ``r2`` of numbers.

    Whole outcomes are labels, but where answers are estimates of them, as of ratings: between whole numbers.

    Empty where outcomes and answers are neither, and for a measure that the outcomes do not define: one class only has
    no ROC curve, and equal numbers have no variance.
    """
    pairs = [(_truth(one["outcome"], outcome), one["output"]) for one in feedback]
    told = [(true, answer) for true, answer in pairs if true is not None]
    if not told:
        return {}
    truths, answers = [true for true, _ in told], [answer for _, answer in told]
    if _are_labels(truths) and not _are_estimates(answers):
        return _of_labels(truths, answers)
    numbers = [(float(true), _number(answer)) for true, answer in told if isinstance(true, int | float)]
    known = [(true, answer) for true, answer in numbers if answer is not None]
    return _of_numbers(known)


def uptake(feedback: Sequence[Document], outcome: Outcome) -> Uptake | None:
    """Of a recommender's: the share that was accepted, and what that brought. None without feedback."""
    accepted = [_accepted(one, outcome) for one in feedback]
    if not accepted:
        return None
    values = [_value(one["outcome"], outcome) for one, taken in zip(feedback, accepted, strict=True) if taken]
    revenue = sum(values) / len(accepted) if outcome.value else None
    return Uptake(samples=len(accepted), acceptance=sum(accepted) / len(accepted), revenue=revenue)


def _accepted(one: Mapping[str, Any], outcome: Outcome) -> bool:
    """By the named key; else a yes or no; else by whether the item that the outcome names was among those shown."""
    told = one["outcome"]
    if outcome.accepted is not None:
        return isinstance(told, dict) and bool(told.get(outcome.accepted))
    if isinstance(told, bool) or told is None:
        return bool(told)
    named = told if isinstance(told, list) else [told]
    taken = {str(item) for one in named for item in (items(one) if isinstance(one, dict) else (one,))}
    return not taken.isdisjoint(str(item) for item in items(one["output"]))


def _value(told: Any, outcome: Outcome) -> float:
    value = told.get(outcome.value) if isinstance(told, dict) else None
    return float(value) if isinstance(value, int | float) else 0.0


def _truth(told: Any, outcome: Outcome) -> Any:
    value = told.get(outcome.label) if isinstance(told, dict) and outcome.label else told
    return value if isinstance(value, str | bool | int | float) else None


def _are_labels(truths: Sequence[Any]) -> bool:
    whole = all(isinstance(true, str) or float(true).is_integer() for true in truths)
    return whole and len(set(map(_same, truths))) <= _MOST_CLASSES


def _are_estimates(answers: Sequence[Any]) -> bool:
    """Whether any is a number that can be neither a label nor a probability."""
    numbers = [_number(answer) for answer in answers]
    return any(number is not None and not number.is_integer() and not 0 <= number <= 1 for number in numbers)


def _same(label: Any) -> str:
    """1, 1.0, True and "1" are one label: JSON and models write it differently."""
    if isinstance(label, bool | int | float) and float(label).is_integer():
        return str(int(label))
    return str(label)


def _of_labels(truths: Sequence[Any], answers: Sequence[Any]) -> dict[str, float]:
    binary = {_same(true) for true in truths} <= {"0", "1"}
    scores = [_probability(answer) if binary else None for answer in answers]
    labels = [_label(answer, score) for answer, score in zip(answers, scores, strict=True)]
    told = [(_same(true), label) for true, label in zip(truths, labels, strict=True) if label is not None]
    measured = {"accuracy": sum(true == label for true, label in told) / len(told)} if told else {}
    scored = [(_same(true) == "1", score) for true, score in zip(truths, scores, strict=True) if score is not None]
    positive = sum(true for true, _ in scored)
    if 0 < positive < len(scored):
        # The share of pairs in the right order, by ranks: Mann and Whitney (1947).
        ranks = pl.Series([score for _, score in scored]).rank("average").to_list()
        of_positive = sum(rank for rank, (true, _) in zip(ranks, scored, strict=True) if true)
        pairs = positive * (len(scored) - positive)
        measured["roc_auc"] = (of_positive - positive * (positive + 1) / 2) / pairs
    return measured


def _probability(answer: Any) -> float | None:
    value = answer.get("probability") if isinstance(answer, dict) else answer
    is_share = isinstance(value, float) and 0 <= value <= 1
    return value if is_share else None


def _label(answer: Any, probability: float | None) -> str | None:
    if isinstance(answer, dict):
        answer = answer.get("label", answer.get("prediction"))
    elif probability is not None:
        return str(int(probability >= 0.5))
    return _same(answer) if isinstance(answer, str | bool | int | float) else None


def _number(answer: Any) -> float | None:
    value = answer.get("prediction") if isinstance(answer, dict) else answer
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _of_numbers(pairs: Sequence[tuple[float, float]]) -> dict[str, float]:
    if not pairs:
        return {}
    mean = sum(true for true, _ in pairs) / len(pairs)
    variance = sum((true - mean) ** 2 for true, _ in pairs)
    if variance == 0:
        return {}
    return {"r2": 1 - sum((true - answer) ** 2 for true, answer in pairs) / variance}
