"""The prediction log, read: what a version was asked, and what it answered. `serving.prediction_lines` has its form."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import polars as pl

from sluice.answer_columns import ANSWERS
from sluice.documents import Document, DocumentStore

# A week of a busy service has millions; the newest tell as much. A document may have a thousand rows.
MOST_DOCUMENTS = 20_000
MOST_ROWS = 100_000
PAGE = 100


class Logged(NamedTuple):
    """Attributes:
    rows: how many rows were predicted for.
    features: a column a feature, with a value a row; empty where the model has no names.
    answers: a scalar a row; empty where the model answers with something else.
    outputs: what was answered, a prediction each, as it was logged.
    """

    rows: int
    features: dict[str, list[Any]]
    answers: list[Any]
    outputs: list[Any]


def read(documents: DocumentStore, model: str, version: str, since: datetime) -> Logged:
    """The newest ones, up to about `MOST_ROWS` rows.

    Raises:
        ServiceUnavailableError: the document store does not answer.
    """
    collection = f"{model}_predictions"
    documents.index(collection, ["version", "at"])
    found: list[Document] = []
    rows, size, window = 0, PAGE, {"$gte": since}
    while rows < MOST_ROWS and len(found) < MOST_DOCUMENTS:
        page = documents.find(
            collection,
            {"version": version, "at": window},
            sort=[("at", -1)],
            limit=size,
            fields=["at", "rows", "features", "output"],
        )
        # More of the last one's time may be on the next page, which begins with that time.
        full = len(page) == size < MOST_DOCUMENTS
        whole = [one for one in page if one["at"] > page[-1]["at"]] if full else page
        found += whole
        rows += sum(int(one["rows"]) for one in whole)
        if not full:
            break
        if whole:
            window = {"$gte": since, "$lt": whole[-1]["at"]}
        else:  # all are of one time
            size *= 2
    return of_documents(found)


def of_documents(found: Sequence[Document]) -> Logged:
    features: dict[str, list[Any]] = {}
    rows, told, outputs = 0, [], []
    for one in found:
        number = int(one["rows"])
        for name, values in _columns(one["features"], number):
            # One that only some requests had is missing in the others.
            column = features.setdefault(name, [])
            column.extend([None] * (rows - len(column)))
            column.extend(values)
        rows += number
        outputs.append(one["output"])
        told.extend(answers(one["output"], number))
    for column in features.values():
        column.extend([None] * (rows - len(column)))
    return Logged(rows, features, told, outputs)


def answers(output: Any, rows: int) -> list[Any]:
    """A scalar a row, of any of the forms of an output: a list, a list of records, or columns; empty for others."""
    if isinstance(output, dict):
        named = next((output[name] for name in ANSWERS if name in output), None)
        return answers(named, rows) if named is not None else []
    if not isinstance(output, list) or len(output) != rows:
        return []
    found = [scalar(one) for one in output]
    return [] if all(one is None for one in found) else found


def scalar(answer: Any) -> Any:
    """The number or text that an answer comes to; None where it is neither."""
    if isinstance(answer, dict):
        named = [answer[name] for name in ANSWERS if name in answer]
        if len(answer) == 1:
            named = list(answer.values())
        return next((one for one in named if _is_scalar(one)), None)
    if isinstance(answer, list) and len(answer) == 1:
        return scalar(answer[0])
    return answer if _is_scalar(answer) else None


def series(name: str, values: Sequence[Any]) -> pl.Series | None:
    """A column of numbers, or of text; None where values are neither."""
    there = [value for value in values if value is not None]
    if not all(_is_scalar(value) for value in there):
        return None
    if all(isinstance(value, int | float) for value in there):
        return pl.Series(name, [None if value is None else float(value) for value in values], pl.Float64)
    return pl.Series(name, [None if value is None else str(value) for value in values], pl.String)


def items(output: Any) -> Iterator[Any]:
    """Ids of the items that a recommender's answer has, whatever route gave it."""
    if isinstance(output, dict):
        if "item_id" in output:
            yield output["item_id"]
            return
        yield from output.get("item_ids") or ()
    elif isinstance(output, list):
        for one in output:
            yield from items(one)


def _columns(features: Any, rows: int) -> Iterator[tuple[str, list[Any]]]:
    if isinstance(features, dict):
        for name, values in features.items():
            if isinstance(values, list) and len(values) == rows:
                yield name, values


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | bool | int | float)
