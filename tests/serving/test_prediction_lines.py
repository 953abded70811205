"""Predictions as documents."""

import math
from typing import Any

import numpy as np
import pytest

from serving.prediction_id import id_maker
from serving.prediction_lines import Lines, Prediction, collection, row_of
from sluice import document_json

NOW = 1_795_235_400.123
new_id = id_maker()


def prediction(**fields: Any) -> Prediction:
    given = {"columns": ("a", "b"), "rows": [[1, 2.5]], "output": [0.5], **fields}
    return Prediction(
        id=new_id(), at=NOW, model="movies", version="3", seconds=0.0015, caller="shop", route="/invocations", **given
    )


def documents(made: Prediction, redacted: frozenset[str] = frozenset()) -> list[dict[str, Any]]:
    found = []
    for line in Lines().of(made, redacted):
        head, separator, rest = line.partition(b" {")
        assert head == b"movies_predictions movies"
        assert rest.endswith(b"}\n")
        assert b"\n" not in rest[:-1]
        found.append(document_json.decode((separator + rest).decode()))
    return found


def test_a_document_says_all_of_its_prediction() -> None:
    """Time to the millisecond, features by column, latency in milliseconds."""
    made = prediction()
    (document,) = documents(made)
    assert document.pop("at").timestamp() == NOW
    assert document == {
        "id": made.id, "model": "movies", "version": "3", "rows": 1, "first": 0, "of": 1,
        "features": {"a": [1], "b": [2.5]}, "output": [0.5],
        "latency_ms": 1.5, "caller": "shop", "route": "/invocations",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "rows", "features"),
    [
        (("a", "b"), np.array([[1.0, math.nan], [3.0, 4.0]]), {"a": [1.0, 3.0], "b": [None, 4.0]}),
        (("a", "b"), [[1, "x"], [2, None]], {"a": [1, 2], "b": ["x", None]}),
        (None, {"a": np.array([2**63 - 1]), "b": ["x"]}, {"a": [2**63 - 1], "b": ["x"]}),
        (None, np.array([[1, 2]], dtype=np.int64)[:, ::-1], [[2, 1]]),
        (None, {"a": np.array([b"abc", b"\xff"], dtype=object)}, {"a": ["abc", "/w=="]}),
        (None, {"a": ["\ud800"], "b": [2**70]}, {"a": ["?"], "b": [str(2**70)]}),
        (None, {"$date": ["today"], "b": [{"$numberDouble": 1}]}, {"$date": ["today"], "b": [{"$numberDouble": 1}]}),
        (("a", "b"), [], {}),
    ],
)
def test_rows_of_every_form(columns: tuple[str, ...] | None, rows: Any, features: Any) -> None:
    """Numbers keep their digits, what JSON cannot say is null or text, and a client's keys are its own."""
    (document,) = documents(prediction(columns=columns, rows=rows, output=np.array([1], dtype=np.float32)))
    assert document["features"] == features
    assert document["output"] == [1.0]


def test_an_output_in_json_is_taken_as_it_is() -> None:
    """Whatever its white space; a line stays a line."""
    for output in (b'{"predictions": [1]}', b'{\n "predictions": [1]\n}'):
        (document,) = documents(prediction(output=output))
        assert document["output"] == {"predictions": [1]}


def test_redacted_fields_are_null_wherever_they_stand() -> None:
    """In features of every form and in the output, also in one that is JSON already; all others stay."""
    redacted = frozenset({"b", "name"})
    for rows in ([[1, "secret"]], {"a": [1], "b": ["secret"]}, {"a": [1], "b": np.array(["secret"], dtype=object)}):
        columns = ("a", "b") if isinstance(rows, list) else None
        for output in ([{"name": "secret", "score": 1}], b'[{"name": "secret", "score": 1}]'):
            made = prediction(columns=columns, rows=rows, output=output)
            assert b"secret" not in Lines().of(made, redacted)[0]
            (document,) = documents(made, redacted)
            assert document["features"] == {"a": [1], "b": [None]}
            assert document["output"] == [{"name": None, "score": 1}]


def test_features_without_names_are_left_out_where_some_are_redacted() -> None:
    """Nobody knows which they are."""
    (document,) = documents(prediction(columns=None, rows=[[1, 2]]), frozenset({"b"}))
    assert document["features"] is None


@pytest.mark.parametrize(
    "output", [np.arange(2500), {"predictions": list(range(2500))}, str(list(range(2500))).encode()]
)
def test_a_large_prediction_is_several_documents(output: Any) -> None:
    """Each row is in one of them, beside its output, and is found by its index."""
    made = prediction(rows=np.arange(5000).reshape(2500, 2), output=output)
    found = documents(made)
    assert [(one["id"], one["first"], one["rows"], one["of"]) for one in found] == [
        (made.id, 0, 1000, 2500),
        (f"{made.id}-1", 1000, 1000, 2500),
        (f"{made.id}-2", 2000, 500, 2500),
    ]
    assert row_of(found[2]["features"], 499, 500) == {"a": 4998, "b": 4999}
    told = row_of(found[2]["output"], 499, 500)
    assert told in (2499, {"predictions": 2499})


def test_wide_rows_make_smaller_documents() -> None:
    """A batch of images stays far below what a document may hold."""
    assert len(documents(prediction(columns=None, rows=np.zeros((100, 28, 28))))) == 4


def test_a_collection_is_named_after_the_model() -> None:
    """With what every store takes as a name."""
    assert collection("movies", "predictions") == "movies_predictions"
    assert collection("credit-risk v2.1", "feedback") == "credit_risk_v2_1_feedback"
