"""What an evaluation's document says, whatever a use case gives."""

import json
import math
from typing import Any

import pytest

from sluice.evaluation import MOST_LABELS, Evaluation

LABELS = {"true": [0, 0, 1, 1, 1], "predicted": [0, 1, 1, 1, 0]}


def evaluation(metrics: dict[str, float] | None = None, **given: Any) -> dict[str, Any]:
    """As it is written and read again."""
    made = Evaluation.of("m", "3", "features/m@2", metrics or {}, given)
    text = made.model_dump_json()
    assert Evaluation.model_validate(json.loads(text)).model_dump_json() == text
    return dict(json.loads(text))


def test_labels_make_a_classification() -> None:
    """Arrays as they came; a row a true class and a column a predicted one, counted; accuracy from it."""
    made = evaluation(labels={**LABELS, "probability": [0.1, 0.6, 0.7, 0.8, 0.4], "row_id": ["a", "b", "c", "d", "e"]})
    assert (made["kind"], made["model"], made["version"], made["table"]) == ("classification", "m", "3", "features/m@2")
    assert (made["labels"], made["predictions"]) == (LABELS["true"], LABELS["predicted"])
    assert made["probabilities"] == [0.1, 0.6, 0.7, 0.8, 0.4]
    assert (made["classes"], made["confusion_matrix"]) == ([0, 1], [[1, 1], [1, 2]])
    assert (made["accuracy"], made["rows"], made["shown"], made["most"]) == (0.6, 5, 5, MOST_LABELS)
    assert "row_id" not in json.dumps(made)


def test_the_metrics_that_the_gate_saw_go_before_what_is_counted() -> None:
    """They are over all rows; what is not a number is null."""
    made = evaluation({"accuracy": 0.9, "precision": math.nan}, labels=LABELS)
    assert (made["accuracy"], made["metrics"]) == (0.9, {"accuracy": 0.9, "precision": None})


def test_many_labels_are_cut_and_counted_all_the_same() -> None:
    """At most 10,000 labels, which a field says; the matrix is over all of them, or over more if it is given."""
    true, predicted = [0, 1] * MOST_LABELS, [1, 1] * MOST_LABELS
    made = evaluation(labels={"true": true, "predicted": predicted, "probability": [0.5] * len(true)})
    assert (made["rows"], made["shown"], made["most"]) == (20_000, 10_000, 10_000)
    assert [len(made[name]) for name in ("labels", "predictions", "probabilities")] == [10_000] * 3
    assert made["confusion_matrix"] == [[0, 10_000], [0, 10_000]]
    whole = {"classes": [0, 1], "counts": [[70_000, 1], [2, 30_000]]}
    assert evaluation(labels=LABELS, confusion_matrix=whole)["rows"] == 100_003


@pytest.mark.parametrize(
    ("true", "predicted", "classes"),
    [(["b", "a"], ["a", "c"], ["a", "b", "c"]), ([True, False], [True, True], [False, True]), ([], [], [])],
)
def test_labels_of_any_kind_have_an_order(true: list[Any], predicted: list[Any], classes: list[Any]) -> None:
    """Text, truth, or nothing at all."""
    made = evaluation(labels={"true": true, "predicted": predicted})
    assert made["classes"] == classes
    assert sum(map(sum, made["confusion_matrix"])) == len(true)


def test_very_many_classes_have_no_matrix() -> None:
    """It would show nothing, and have as many numbers as there are pairs of classes."""
    made = evaluation(labels={"true": list(range(5000)), "predicted": list(range(5000))})
    assert (made["classes"], made["confusion_matrix"], made["accuracy"], made["rows"]) == (None, None, 1.0, 5000)


@pytest.mark.parametrize(
    "labels",
    [{"true": [1, 0], "predicted": [1]}, {"true": [1.5], "predicted": [1.0]}, {"yes": 3}, [1, 2], "x"],
)
def test_what_has_another_form_is_left_out(labels: Any) -> None:
    """The name was the use case's to choose, so it is no error."""
    made = evaluation({"error": 0.5}, labels=labels)
    assert (made["kind"], made["labels"], made["confusion_matrix"]) == ("metrics", None, None)
    assert made["metrics"] == {"error": 0.5}


def test_a_recommender_has_a_ranking_and_examples() -> None:
    """k stays a whole number; examples are bounded."""
    item = {"item_id": 7, "title": "Film", "score": 0.5, "held_out": True}
    made = evaluation(
        {"ndcg_at_10": 0.4},
        ranking=[{"k": 1, "ndcg": 0.5}, {"k": 10, "ndcg": 0.4}],
        examples=[{"user_id": number, "liked": ["A"], "items": [item]} for number in range(50)],
    )
    assert made["kind"] == "ranking"
    assert json.dumps(made["ranking"]) == '[{"k": 1, "ndcg": 0.5}, {"k": 10, "ndcg": 0.4}]'
    assert len(made["examples"]) == 20
    assert made["examples"][0] == {"user_id": 0, "liked": ["A"], "items": [item]}
