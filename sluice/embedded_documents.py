"""The document store without a server: neosqlite, which is pymongo's interface over one SQLite file."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import neosqlite

from sluice.collection_documents import CollectionDocuments
from sluice.errors import DocumentDuplicateError, ServiceUnavailableError

_BUSY_SECONDS = 15.0


class EmbeddedDocuments(CollectionDocuments):
    """Several processes share the file: write-ahead log, and writers wait for each other instead of failing.

    Opens on first use; a connection a thread.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._local = threading.local()
        self._opened: list[Any] = []

    @property
    def _connection(self) -> Any:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            Path(self._path).parent.mkdir(parents=True, exist_ok=True)
            # close() may be called from another thread than the one that opened.
            connection = neosqlite.Connection(self._path, timeout=_BUSY_SECONDS, check_same_thread=False)
            self._local.connection = connection
            self._opened.append(connection)
        return connection

    def _collection(self, name: str) -> Any:
        # neosqlite does not quote table names, so a collection called "order" or "index" would be a syntax error.
        return self._connection[f"c_{name}"]

    @contextmanager
    def _translated(self, collection: str = "") -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError as error:
            raise DocumentDuplicateError(collection=collection, key=f"that key ({error})") from None
        except (sqlite3.OperationalError, OSError) as error:
            hint = f"Is the folder writable? ({error})"
            raise ServiceUnavailableError(
                service="The embedded document store", address=self._path, hint=hint
            ) from None

    def ping(self) -> None:
        with self._translated():
            self._connection.db.execute("SELECT 1")

    def close(self) -> None:
        while self._opened:
            self._opened.pop().close()
        self._local = threading.local()
