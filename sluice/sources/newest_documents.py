"""The documents of a collection that are newer than the last reading."""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from bson.json_util import CANONICAL_JSON_OPTIONS, dumps, loads
from loguru import logger

from sluice.documents import Document, Sort
from sluice.errors import SourceInvalidError

_JSON = CANONICAL_JSON_OPTIONS.with_options(tz_aware=True)
_MOST_TIES = 1_000

Where = dict[str, Any]


class Collection(Protocol):
    """What is asked of a collection. Filters have equality, ``$gt``, ``$gte`` and ``$ne``."""

    def find(self, where: Where, sort: Sort, limit: int) -> list[Document]: ...

    def count(self, where: Where) -> int: ...


class NewestDocuments:
    """Reads in the order of a field that grows (a time, a number), and of an id among equals.

    The watermark is the newest value together with the ids that had it, so that a document which gets the same value
    later is neither lost nor read twice.

    Args:
        collection: needs an index over both fields when it is large.
        field: the watermark. Documents that do not have it are not read, and counted in the log.
        overlap: seconds, or steps of a number, before the newest value that are read again, for documents that are
            written late; what is known of them the contract's key tells.
    """

    def __init__(self, collection: Collection, name: str, field: str, id: str, overlap: float, batch: int) -> None:
        self._collection, self._name = collection, name
        self._field, self._id = field, id
        self._overlap, self._batch = overlap, batch
        self._sort = [(field, 1), (id, 1)]

    def fingerprint(self) -> str:
        """Of the newest value, and how many documents are as new."""
        newest = self._collection.find({self._field: {"$ne": None}}, [(self._field, -1), (self._id, -1)], 1)
        if not newest:
            return "empty"
        mark = newest[0][self._field]
        count = self._collection.count({self._field: {"$gte": self._before(mark)}})
        said = dumps([mark, newest[0].get(self._id), count], json_options=_JSON)
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    def read(self, state: Mapping[str, Any] | None, reached: dict[str, Any]) -> Iterator[list[Document]]:
        """Batches of documents; ``reached`` gets the next reading's ``state``."""
        known = dict(state) if state else {}
        reached.update(known)
        if state is None:
            self._warn_of_missing()
        expected = self._collection.count({self._field: {"$ne": None}}) if state is None else 0
        read = 0
        for page in self._pages(known):
            self._note(page, reached)
            new = self._unknown(page, known)
            read += len(new)
            if new:
                yield new
        if read < expected:
            logger.warning(
                "{}: {} of {} documents were read; {} must be of one kind (all times, or all numbers)",
                self._name, read, expected, self._field,
            )  # fmt: skip

    def _pages(self, known: Mapping[str, Any]) -> Iterator[list[Document]]:
        if not known:
            page = self._find({self._field: {"$ne": None}})
        else:
            mark = loads(known["mark"], json_options=_JSON)
            if known.get("ids") is None and self._before(mark) == mark:
                page = self._after(mark, loads(known["last"], json_options=_JSON))
            else:
                page = self._find({self._field: {"$gte": self._before(mark)}})
        while page:
            yield page
            page = self._after(page[-1][self._field], self._id_of(page[-1]))

    def _after(self, mark: Any, id: Any) -> list[Document]:
        # Two queries where MongoDB has $or, because the document store's port has none.
        return self._find({self._field: mark, self._id: {"$gt": id}}) or self._find({self._field: {"$gt": mark}})

    def _find(self, where: Where) -> list[Document]:
        return self._collection.find(where, self._sort, self._batch)

    def _unknown(self, page: list[Document], known: Mapping[str, Any]) -> list[Document]:
        if not known.get("ids"):
            return page
        mark, ids = loads(known["mark"], json_options=_JSON), set(known["ids"])
        return [d for d in page if d[self._field] != mark or _text(self._id_of(d)) not in ids]

    def _note(self, page: list[Document], reached: dict[str, Any]) -> None:
        last = page[-1]
        newest = last[self._field]
        mark = dumps(newest, json_options=_JSON)
        same = reached.get("mark") == mark
        if not same and "mark" in reached and newest < loads(reached["mark"], json_options=_JSON):
            return  # a page of the overlap
        before = reached.get("ids", []) if same else []
        ids = {_text(self._id_of(d)) for d in page if d[self._field] == newest} | set(before or ())
        reached["mark"], reached["last"] = mark, dumps(self._id_of(last), json_options=_JSON)
        reached["ids"] = sorted(ids) if before is not None and len(ids) <= _MOST_TIES else None

    def _id_of(self, document: Document) -> Any:
        if document.get(self._id) is None:
            problem = f"a document has no {self._id!r}, which tells it from others with the same {self._field!r}"
            hint = "Set source.id in use_case.yaml to a field that every document has."
            raise SourceInvalidError(source=self._name, problem=problem, hint=hint)
        return document[self._id]

    def _before(self, mark: Any) -> Any:
        if isinstance(mark, datetime):
            return mark - timedelta(seconds=self._overlap)
        if isinstance(mark, int | float) and not isinstance(mark, bool) and self._overlap:
            return mark - self._overlap
        return mark

    def _warn_of_missing(self) -> None:
        missing = self._collection.count({self._field: None})
        if missing:
            logger.warning("{}: {} documents have no {} and are not read", self._name, missing, self._field)


def _text(id: Any) -> str:
    return dumps(id, json_options=_JSON)
