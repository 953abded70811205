"""The document store on MongoDB, or on anything that speaks its wire protocol."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from sluice.collection_documents import CollectionDocuments
from sluice.documents import Document
from sluice.errors import DocumentDuplicateError, ServiceUnavailableError
from sluice.settings import without_credentials

_TIMEOUT_MS = 3000
_DUPLICATE_KEY = 11000


class MongoDocuments(CollectionDocuments):
    """Through pymongo. Connects on first use."""

    def __init__(self, uri: str, database: str) -> None:
        self._address = without_credentials(uri)
        self._client: MongoClient[Document] = MongoClient(
            uri, serverSelectionTimeoutMS=_TIMEOUT_MS, tz_aware=True, connect=False
        )
        self._database = self._client[database]

    def _collection(self, name: str) -> Any:
        return self._database[name]

    @contextmanager
    def _translated(self, collection: str = "") -> Iterator[None]:
        try:
            yield
        except DuplicateKeyError as error:
            raise DocumentDuplicateError(collection=collection, key=_key(error.details)) from None
        except BulkWriteError as error:
            first = error.details["writeErrors"][0]
            if first.get("code") == _DUPLICATE_KEY:
                raise DocumentDuplicateError(collection=collection, key=_key(first)) from None
            raise
        except PyMongoError as error:
            hint = f"Start it, or set SLUICE_DOCUMENTS__URI ({type(error).__name__})."
            raise ServiceUnavailableError(service="The document store", address=self._address, hint=hint) from None

    def ping(self) -> None:
        with self._translated():
            self._client.admin.command("ping")

    def close(self) -> None:
        self._client.close()


def _key(details: Mapping[str, Any] | None) -> str:
    values = (details or {}).get("keyValue")
    return ", ".join(f"{name} {value!r}" for name, value in values.items()) if values else "that key"
