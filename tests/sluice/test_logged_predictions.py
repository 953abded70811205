"""Reading the prediction log: every form that serving writes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sluice import logged_predictions
from sluice.embedded_documents import EmbeddedDocuments
from sluice.logged_predictions import answers, items, of_documents, series

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def document(features: Any, output: Any, rows: int = 1) -> dict[str, Any]:
    return {"features": features, "output": output, "rows": rows}


def test_rows_of_many_documents_are_columns() -> None:
    """A column that a request left out is missing there, and every column has a value a row."""
    logged = of_documents(
        [
            document({"a": [1.0]}, [0.5]),
            document({"a": [2.0, 3.0], "b": ["x", "y"]}, [0.25, 0.75], rows=2),
            document({"b": ["z"]}, [1.0]),
        ]
    )
    assert logged.rows == 4
    assert logged.features == {"a": [1.0, 2.0, 3.0, None], "b": [None, "x", "y", "z"]}
    assert logged.answers == [0.5, 0.25, 0.75, 1.0]


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ([1.5], [1.5]),
        ([[1.5]], [1.5]),
        (["yes"], ["yes"]),
        ([{"label": 1, "probability": 0.8}], [0.8]),
        ([{"score": 1.0, "colour": "RED"}], [1.0]),
        ({"probability": [0.3]}, [0.3]),
        ([{"item_ids": [1, 2]}], []),
        ([1, 2, 3], []),
        ("text", []),
        (None, []),
    ],
)
def test_an_answer_comes_to_a_scalar_or_to_none(output: Any, found: list[Any]) -> None:
    """A probability says more than a label; lists of items are no distribution of numbers."""
    assert answers(output, 1) == found


def test_items_are_found_in_any_answer() -> None:
    """By the route for recommendations, by the scoring protocol, and with nothing in it."""
    assert list(items([{"item_id": 1, "title": "a"}, {"item_id": 2}])) == [1, 2]
    assert list(items([{"user_id": 7, "item_ids": [3, 4], "known": True}])) == [3, 4]
    assert list(items([])) == list(items(None)) == []


def test_a_column_of_numbers_or_of_text() -> None:
    """A mixture is text; lists are neither."""
    assert series("a", [1, None, 2.5]).dtype == pl.Float64  # type: ignore[union-attr]
    assert series("a", [1, "x"]).to_list() == ["1", "x"]  # type: ignore[union-attr]
    assert series("a", [[1], [2]]) is None


def test_only_the_version_and_the_window_are_read(tmp_path: Path) -> None:
    """Another version was asked other things, and what is older than the window is gone by."""
    store = EmbeddedDocuments(str(tmp_path / "d.db"))
    kept = document({"a": [1.0]}, [0.5])
    store.insert(
        "tiny_predictions",
        [
            {**kept, "version": "2", "at": NOW},
            {**kept, "version": "1", "at": NOW},
            {**kept, "version": "2", "at": NOW - timedelta(days=8)},
        ],
    )
    assert logged_predictions.read(store, "tiny", "2", NOW - timedelta(days=7)).rows == 1
    store.close()


def test_what_is_read_is_bounded_in_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest, each once, also where several are of one time; a document may hold very many."""
    monkeypatch.setattr(logged_predictions, "PAGE", 3)
    store = EmbeddedDocuments(str(tmp_path / "d.db"))
    seconds = [0, 1, 1, 2, 2, 2, 2, 3]
    values = [float(number) for number in range(16)]
    store.insert(
        "tiny_predictions",
        [
            {**document({"a": values[2 * n : 2 * n + 2]}, [0, 0], 2), "version": "2", "at": NOW - timedelta(seconds=s)}
            for n, s in enumerate(seconds)
        ],
    )
    assert sorted(read(store)) == values
    monkeypatch.setattr(logged_predictions, "MOST_ROWS", 5)
    assert sorted(read(store)) == values[:6]
    store.close()


def read(store: EmbeddedDocuments) -> list[float]:
    return logged_predictions.read(store, "tiny", "2", NOW - timedelta(days=7)).features["a"]
