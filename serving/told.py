"""Feedback on its way: what somebody told of a prediction, and what becomes of it in the document store.

``<model>_feedback`` has {prediction_id, row, outcome, at, told_at, happened_at, caller, model, version, predicted_at,
features, output, history}, one for each row of a prediction that somebody told of. ``at`` is when it was written, so
that who reads on from the last time misses none. What has no prediction yet waits in `WAITING`.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from serving.prediction_lines import collection, row_of
from serving.served import now
from sluice import document_json
from sluice.documents import Document, DocumentStore
from sluice.errors import DocumentDuplicateError, InputInvalidError

WAITING = "feedback_waiting"
MOST_HISTORY = 20
_TRIES = 10

Result = Literal["joined", "known", "replaced"]


@dataclass(frozen=True)
class Told:
    """An outcome for a row of a prediction; ``row`` may be left out where the prediction has one only."""

    prediction_id: str
    row: int | None
    outcome: Any
    model: str | None
    told_at: datetime
    happened_at: datetime | None
    caller: str

    @property
    def document(self) -> Document:
        """As it waits. Its id is of what was told, so the same told twice waits once."""
        said = document_json.encode([self.prediction_id, self.row, self.outcome])
        return {"id": hashlib.sha256(said.encode()).hexdigest()[:32], **asdict(self), "tried_at": self.told_at}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Told":
        fields: dict[str, Any] = {name: document.get(name) for name in cls.__dataclass_fields__}
        return cls(**fields)


def find(store: DocumentStore, told: Told, models: Iterable[str]) -> Document | None:
    """The prediction's document with the row that is meant, in the collection of the model, or of any of ``models``.

    Raises:
        InputInvalidError: the prediction has no such row, or several and none was named.
    """
    # A large prediction is several documents, whose ids begin with its own.
    ids = {"$gte": told.prediction_id, "$lt": f"{told.prediction_id}."}
    for name in [told.model] if told.model else models:
        row = told.row or 0
        where = {"id": ids, "first": {"$lte": row}}
        found = store.find_one(collection(name, "predictions"), where, sort=[("first", -1)])
        if found is not None:
            _check_row(told.row, found["of"])
            # They come in batches: the one with this row may be on its way yet.
            return found if row < found["first"] + found["rows"] else None
    return None


def join(store: DocumentStore, told: Told, prediction: Document) -> Result:
    """Write what was told beside what was predicted.

    The last one told counts: outcomes are corrected, and whoever learns from them must see the correction. What it
    replaces stands in the document's ``history``.
    """
    row = told.row or 0
    place = collection(prediction["model"], "feedback")
    key = {"prediction_id": told.prediction_id, "row": row}
    said = {
        "outcome": told.outcome,
        "at": now(),
        "told_at": told.told_at,
        "happened_at": told.happened_at,
        "caller": told.caller,
    }
    store.unique(place, ["prediction_id", "row"])
    for _ in range(_TRIES):
        try:
            store.insert(place, [{**key, **said, **_predicted(prediction, row), "history": []}])
            return "joined"
        except DocumentDuplicateError:
            known = store.find_one(place, key)
        if known is None:
            continue
        if _same(known["outcome"], told.outcome) or known["told_at"] > told.told_at:
            return "known"
        before = {name: known[name] for name in said}
        history = [*known["history"], before][-MOST_HISTORY:]
        if store.update(place, {**key, "at": known["at"]}, {**said, "history": history}):
            return "replaced"
    raise DocumentDuplicateError(collection=place, key=f"{key}, which others change all the time")


def _predicted(prediction: Mapping[str, Any], row: int) -> Document:
    """The prediction as the row saw it: one value a column, and the output of that row."""
    index, rows = row - prediction["first"], prediction["rows"]
    return {
        "model": prediction["model"],
        "version": prediction["version"],
        "predicted_at": prediction["at"],
        "features": row_of(prediction["features"], index, rows),
        "output": row_of(prediction["output"], index, rows),
    }


def _check_row(row: int | None, rows: int) -> None:
    if row is None and rows != 1:
        raise InputInvalidError(field="row", problem=f"the prediction has {rows} rows; say which one, from 0.")
    if row is not None and row >= rows:
        raise InputInvalidError(field="row", problem=f"the prediction has {rows} rows, from 0 to {rows - 1}.")


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)  # for Python, True is 1
