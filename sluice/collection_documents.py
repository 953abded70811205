"""The document store over anything with pymongo's interface: what its adapters share."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from sluice.documents import Document, Filter, Sort


class CollectionDocuments(ABC):
    """`sluice.documents.DocumentStore`; a subclass opens the database and translates its errors."""

    @abstractmethod
    def _collection(self, name: str) -> Any: ...

    @abstractmethod
    def _translated(self, collection: str = "") -> AbstractContextManager[None]:
        """Turns the engine's exceptions into ours."""

    def insert(self, collection: str, documents: Iterable[Mapping[str, Any]]) -> int:
        copies = [dict(document) for document in documents]  # the engine adds _id to what it is given
        if copies:
            with self._translated(collection):
                self._collection(collection).insert_many(copies)
        return len(copies)

    def find(self, collection: str, filter: Filter | None = None, *, sort: Sort = (), limit: int = 0) -> list[Document]:
        with self._translated(collection):
            cursor = self._collection(collection).find(dict(filter or {}))
            cursor = cursor.sort(list(sort)) if sort else cursor
            found: list[Document] = list(cursor.limit(limit) if limit else cursor)
        for document in found:
            document.pop("_id", None)
        return found

    def find_one(self, collection: str, filter: Filter | None = None, *, sort: Sort = ()) -> Document | None:
        return next(iter(self.find(collection, filter, sort=sort, limit=1)), None)

    def upsert(self, collection: str, key: Filter, document: Mapping[str, Any]) -> None:
        with self._translated(collection):
            self._collection(collection).update_one(dict(key), {"$set": {**key, **document}}, upsert=True)

    def update(self, collection: str, filter: Filter, fields: Mapping[str, Any]) -> int:
        with self._translated(collection):
            matched: int = self._collection(collection).update_many(dict(filter), {"$set": dict(fields)}).matched_count
        return matched

    def delete(self, collection: str, filter: Filter) -> int:
        with self._translated(collection):
            deleted: int = self._collection(collection).delete_many(dict(filter)).deleted_count
        return deleted

    def count(self, collection: str, filter: Filter | None = None) -> int:
        with self._translated(collection):
            counted: int = self._collection(collection).count_documents(dict(filter or {}))
        return counted

    def unique(self, collection: str, fields: Sequence[str]) -> None:
        with self._translated(collection):
            self._collection(collection).create_index([(field, 1) for field in fields], unique=True)
