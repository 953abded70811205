"""Live quality: what outcomes say of answers."""

from typing import Any

import pytest

from sluice.live_quality import measure, uptake
from sluice.monitor_options import Outcome

PLAIN = Outcome()


def told(*pairs: tuple[Any, Any]) -> list[dict[str, Any]]:
    """(outcome, output) of each."""
    return [{"outcome": outcome, "output": output} for outcome, output in pairs]


def test_labels_with_probabilities() -> None:
    """Three of four labels are right; of four pairs of one and none, three are in order."""
    feedback = told(
        (1, {"label": 1, "probability": 0.9}),
        (0, {"label": 0, "probability": 0.2}),
        (1, {"label": 0, "probability": 0.1}),
        (0, {"label": 0, "probability": 0.05}),
    )
    assert measure(feedback, PLAIN) == {"accuracy": 0.75, "roc_auc": 0.75}


def test_bare_probabilities_and_ties() -> None:
    """An answer that is a share is a probability; a tie is half a pair in order."""
    feedback = told((True, 0.5), (False, 0.5), (True, 0.9), (False, 0.1))
    assert measure(feedback, PLAIN) == {"accuracy": 0.75, "roc_auc": 0.875}


def test_one_class_has_no_curve() -> None:
    """Nothing is invented for what is not defined."""
    assert measure(told((1, {"label": 1, "probability": 0.9})), PLAIN) == {"accuracy": 1.0}


def test_texts_are_labels() -> None:
    """Of any number of classes."""
    assert measure(told(("cat", "cat"), ("dog", "cat"), ("cow", "cow")), PLAIN) == {"accuracy": pytest.approx(2 / 3)}


def test_numbers() -> None:
    """The share of the variance that the answers explain; below 0 where their mean would be better."""
    assert measure(told((1.5, 1.5), (2.5, 2.5), (3.5, 3.5)), PLAIN) == {"r2": 1.0}
    assert measure(told((1.5, 3.5), (2.5, 2.5), (3.5, 1.5)), PLAIN) == {"r2": -3.0}
    assert measure(told((1.5, 1.0), (1.5, 2.0)), PLAIN) == {}


def test_whole_numbers_that_are_estimated() -> None:
    """Ratings are numbers where the answers are estimates, and labels where those are ratings too."""
    estimated = told((1, 1.5), (2, 1.5), (4, 4.5), (5, {"prediction": 4.5}))
    assert measure(estimated, PLAIN) == {"r2": pytest.approx(0.9)}
    assert measure(told((1, 1), (2, 2.0), (5, 4)), PLAIN) == {"accuracy": pytest.approx(2 / 3)}


def test_the_label_may_be_a_key_of_the_outcome() -> None:
    """Feedback may tell more than the label."""
    feedback = told(({"diagnosis": 1, "by": "dr"}, {"label": 1}), ({"diagnosis": 0}, {"label": 1}))
    assert measure(feedback, Outcome(label="diagnosis")) == {"accuracy": 0.5}
    assert measure(feedback, PLAIN) == {}


LIST = [{"item_id": 1}, {"item_id": 2}]


@pytest.mark.parametrize(
    ("outcome", "taken"),
    [(True, 1), (False, 0), (None, 0), (2, 1), ("2", 1), (3, 0), ({"item_id": 1}, 1), ([7, 1], 1), ([], 0)],
)
def test_acceptance_is_a_yes_or_one_of_the_items(outcome: Any, taken: int) -> None:
    """A click told as true, or the item that was bought; as text too, which an address makes of it."""
    found = uptake(told((outcome, LIST)), PLAIN)
    assert found is not None
    assert (found.samples, found.acceptance, found.revenue) == (1, taken, None)


def test_revenue_is_per_recommendation() -> None:
    """What was not accepted brought nothing, whatever it cost; what has no number counts as nothing."""
    options = Outcome(accepted="bought", value="paid")
    feedback = told(
        ({"bought": True, "paid": 30}, LIST),
        ({"bought": False, "paid": 99}, LIST),
        ({"bought": True, "paid": "?"}, LIST),
    )
    found = uptake(feedback, options)
    assert found is not None
    assert (found.acceptance, found.revenue) == (pytest.approx(2 / 3), 10)
    assert uptake([], options) is None
