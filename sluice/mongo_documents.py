"""The document store on MongoDB, or on anything that speaks its wire protocol."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from bson.errors import BSONError
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
from pymongo.write_concern import WriteConcern

from sluice.document_json import decode
from sluice.documents import Document, Filter, Sort, settable
from sluice.errors import (
    DocumentDuplicateError,
    DocumentRefusedError,
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
_ENCODED_AT_ONCE = 128  # below a millisecond of the interpreter's time
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

    def insert_encoded(self, collection: str, documents: Sequence[bytes]) -> int:
        added = 0
        for first in range(0, len(documents), _ENCODED_AT_ONCE):
            # Whoever ships them forgets them then. The server's journal has an order: with the last it has all.
            last = first + _ENCODED_AT_ONCE >= len(documents)
            added += self._insert_new(collection, documents[first : first + _ENCODED_AT_ONCE], last)
        return added

    def find(
        self,
        collection: str,
        filter: Filter | None = None,
        *,
        sort: Sort = (),
        limit: int = 0,
        fields: Sequence[str] = (),
    ) -> list[Document]:
        shown = {"_id": False, **dict.fromkeys(fields, True)}
        with self._translated(collection) as found:
            documents = list(found.find(dict(filter or {}), shown, sort=list(sort) or None, limit=limit))
        return [{name: one.get(name) for name in fields} for one in documents] if fields else documents

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

    def index(self, collection: str, fields: Sequence[str]) -> None:
        with self._translated(collection) as found:
            found.create_index([(field, 1) for field in fields])

    def ping(self) -> None:
        with self._translated():
            self._client.admin.command("ping")

    def close(self) -> None:
        self._client.close()

    def _insert_new(self, collection: str, documents: Sequence[bytes], journaled: bool) -> int:
        try:
            decoded = [decode(document.decode()) for document in documents]
            with self._translated(collection) as found:
                return _added(_journaled(found) if journaled else found, decoded)
        except (ValueError, BSONError, OverflowError) as error:
            raise DocumentRefusedError(collection=collection, problem=f"{error}.") from None

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


def _journaled(collection: Collection[Document]) -> Collection[Document]:
    """Its writes are acknowledged when a server that is killed then has them; by default a single one says it before.

    The rest of the address' write concern stays, but for one that wants no acknowledgement.
    """
    asked = {name: value for name, value in collection.write_concern.document.items() if (name, value) != ("w", 0)}
    return collection.with_options(write_concern=WriteConcern(**{**asked, "j": True}))


def _added(collection: Collection[Document], documents: list[Document]) -> int:
    try:
        collection.insert_many(documents, ordered=False)
    except OverflowError:  # before anything was sent: BSON has integers of 64 bits only
        collection.insert_many([_in_64_bits(document) for document in documents], ordered=False)
    except BulkWriteError as error:
        others = [one for one in error.details["writeErrors"] if one.get("code") != _DUPLICATE_KEY]
        if others:
            raise DocumentRefusedError(collection=collection.name, problem=others[0].get("errmsg", "")) from None
        if error.details.get("writeConcernErrors"):
            raise
        return int(error.details["nInserted"])
    return len(documents)


def _in_64_bits(value: Any) -> Any:
    """The same with larger integers as text, which keeps their digits."""
    if isinstance(value, dict):
        return {name: _in_64_bits(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_in_64_bits(item) for item in value]
    return str(value) if isinstance(value, int) and not -(2**63) <= value < 2**63 else value


def _key(details: Mapping[str, Any] | None) -> str:
    values = (details or {}).get("keyValue")
    return ", ".join(f"{name} {value!r}" for name, value in values.items()) if values else "that key"
