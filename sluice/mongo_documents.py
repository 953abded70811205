"""The document store on MongoDB, or on anything that speaks its wire protocol."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidURI,
    OperationFailure,
)

from sluice.documents import Document, Filter, Sort, settable
from sluice.errors import (
    DocumentDuplicateError,
    ServiceRefusedError,
    ServiceUnavailableError,
    SettingsInvalidError,
)
from sluice.settings import without_credentials

_SERVICE = "The document store"
_VARIABLE = "SLUICE_DOCUMENTS__URI"
_TIMEOUT_MS = 3000  # for a server to be found
_ANSWER_MS = 30_000  # for an answer; by default the driver waits for ever on a server that hangs
_DUPLICATE_KEY = 11000
_REFUSALS = frozenset({13, 18, 8000})  # Unauthorized, AuthenticationFailed, Atlas' own


class MongoDocuments:
    """`sluice.documents.DocumentStore` through pymongo. Connects on first use.

    Raises:
        SettingsInvalidError: the address is none that the driver understands.
    """

    def __init__(self, uri: str, database: str) -> None:
        self._address = without_credentials(uri)
        try:
            self._client: MongoClient[Document] = MongoClient(
                uri,
                serverSelectionTimeoutMS=_TIMEOUT_MS,
                connectTimeoutMS=_TIMEOUT_MS,
                socketTimeoutMS=_ANSWER_MS,
                tz_aware=True,
                connect=False,
            )
        except (InvalidURI, ConfigurationError, ValueError):
            # The driver's own words may quote a part of the password.
            problem = "MongoDB's driver does not understand the address. In it, user and password are percent-encoded"
            raise SettingsInvalidError(variable=_VARIABLE, problem=problem) from None
        self._database = self._client[database]

    def insert(self, collection: str, documents: Iterable[Mapping[str, Any]]) -> int:
        copies = [dict(document) for document in documents]  # pymongo adds _id to what it is given
        if copies:
            with self._translated(collection) as found:
                found.insert_many(copies)
        return len(copies)

    def find(self, collection: str, filter: Filter | None = None, *, sort: Sort = (), limit: int = 0) -> list[Document]:
        with self._translated(collection) as found:
            return list(found.find(dict(filter or {}), {"_id": False}, sort=list(sort) or None, limit=limit))

    def find_one(self, collection: str, filter: Filter | None = None, *, sort: Sort = ()) -> Document | None:
        return next(iter(self.find(collection, filter, sort=sort, limit=1)), None)

    def upsert(self, collection: str, key: Filter, document: Mapping[str, Any]) -> None:
        fields = settable({**key, **document})
        with self._translated(collection) as found:
            found.update_one(dict(key), {"$set": fields}, upsert=True)

    def update(self, collection: str, filter: Filter, fields: Mapping[str, Any]) -> int:
        with self._translated(collection) as found:
            return found.update_many(dict(filter), {"$set": settable(fields)}).matched_count

    def delete(self, collection: str, filter: Filter) -> int:
        with self._translated(collection) as found:
            return found.delete_many(dict(filter)).deleted_count

    def count(self, collection: str, filter: Filter | None = None) -> int:
        with self._translated(collection) as found:
            return found.count_documents(dict(filter or {}))

    def unique(self, collection: str, fields: Sequence[str]) -> None:
        with self._translated(collection) as found:
            found.create_index([(field, 1) for field in fields], unique=True)

    def ping(self) -> None:
        with self._translated():
            self._client.admin.command("ping")

    def close(self) -> None:
        self._client.close()

    @contextmanager
    def _translated(self, collection: str = "_") -> Iterator[Collection[Document]]:
        """The collection, with the driver's exceptions turned into ours."""
        try:
            yield self._database[collection]
        except DuplicateKeyError as error:
            raise DocumentDuplicateError(collection=collection, key=_key(error.details)) from None
        except BulkWriteError as error:
            first = error.details["writeErrors"][0]
            if first.get("code") == _DUPLICATE_KEY:
                raise DocumentDuplicateError(collection=collection, key=_key(first)) from None
            raise
        except (ConnectionFailure, ExecutionTimeout) as error:
            hint = f"Start it, or set {_VARIABLE} ({type(error).__name__})."
            raise ServiceUnavailableError(service=_SERVICE, address=self._address, hint=hint) from None
        except OperationFailure as error:
            if error.code not in _REFUSALS:
                raise
            hint = f"Put the right user and password into {_VARIABLE}."
            raise ServiceRefusedError(service=_SERVICE, address=self._address, hint=hint) from None


def _key(details: Mapping[str, Any] | None) -> str:
    values = (details or {}).get("keyValue")
    return ", ".join(f"{name} {value!r}" for name, value in values.items()) if values else "that key"
