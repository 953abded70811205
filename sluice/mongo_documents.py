"""The document store on MongoDB, or on anything that speaks its wire protocol."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from sluice.documents import Document, Filter, Sort
from sluice.errors import DocumentDuplicateError, ServiceUnavailableError
from sluice.settings import without_credentials

_TIMEOUT_MS = 3000
_NO_ID = {"_id": False}


class MongoDocuments:
    """`sluice.documents.DocumentStore` through pymongo. Connects on first use."""

    def __init__(self, uri: str, database: str) -> None:
        self._address = without_credentials(uri)
        self._client: MongoClient[Document] = MongoClient(
            uri, serverSelectionTimeoutMS=_TIMEOUT_MS, tz_aware=True, connect=False
        )
        self._database = self._client[database]

    @contextmanager
    def _translated(self, collection: str = "") -> Iterator[None]:
        try:
            yield
        except DuplicateKeyError as error:
            raise DocumentDuplicateError(collection=collection, key=_key(error.details)) from None
        except BulkWriteError as error:
            first = error.details["writeErrors"][0]
            if first.get("code") == 11000:
                raise DocumentDuplicateError(collection=collection, key=_key(first)) from None
            raise
        except PyMongoError as error:
            raise ServiceUnavailableError(
                service="The document store",
                address=self._address,
                hint=f"Start it, or set SLUICE_DOCUMENTS__URI ({type(error).__name__}).",
            ) from None

    def insert(self, collection: str, documents: Iterable[Mapping[str, Any]]) -> int:
        copies = [dict(document) for document in documents]  # pymongo adds _id to what it is given
        if not copies:
            return 0
        with self._translated(collection):
            return len(self._database[collection].insert_many(copies).inserted_ids)

    def find(self, collection: str, filter: Filter | None = None, *, sort: Sort = (), limit: int = 0) -> list[Document]:
        with self._translated(collection):
            cursor = self._database[collection].find(filter or {}, _NO_ID, limit=limit)
            return list(cursor.sort(list(sort)) if sort else cursor)

    def find_one(self, collection: str, filter: Filter | None = None, *, sort: Sort = ()) -> Document | None:
        return next(iter(self.find(collection, filter, sort=sort, limit=1)), None)

    def upsert(self, collection: str, key: Filter, document: Mapping[str, Any]) -> None:
        with self._translated(collection):
            self._database[collection].update_one(dict(key), {"$set": {**key, **document}}, upsert=True)

    def update(self, collection: str, filter: Filter, fields: Mapping[str, Any]) -> int:
        with self._translated(collection):
            return self._database[collection].update_many(dict(filter), {"$set": dict(fields)}).matched_count

    def delete(self, collection: str, filter: Filter) -> int:
        with self._translated(collection):
            return self._database[collection].delete_many(dict(filter)).deleted_count

    def count(self, collection: str, filter: Filter | None = None) -> int:
        with self._translated(collection):
            return self._database[collection].count_documents(dict(filter or {}))

    def unique(self, collection: str, fields: Sequence[str]) -> None:
        with self._translated(collection):
            self._database[collection].create_index([(field, 1) for field in fields], unique=True)

    def ping(self) -> None:
        with self._translated():
            self._client.admin.command("ping")

    def close(self) -> None:
        self._client.close()


def _key(details: Mapping[str, Any] | None) -> str:
    values = (details or {}).get("keyValue")
    return ", ".join(f"{name} {value!r}" for name, value in values.items()) if values else "that key"
