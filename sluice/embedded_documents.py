"""The document store without a server: one SQLite file, a table a collection, a JSON document a row."""
# ruff: noqa: S608 - table names and clauses come from `_table` and `document_sql`, which let no SQL through

import random
import re
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sluice.document_json import decode, encode
from sluice.document_sql import columns, lookup, order, parts, where
from sluice.documents import Document, Filter, Sort, settable
from sluice.errors import DocumentDuplicateError, DocumentRefusedError, ServiceUnavailableError

_BUSY_SECONDS = 15.0
_NAME = re.compile(r"[A-Za-z0-9_]+")


class EmbeddedDocuments:
    """`sluice.documents.DocumentStore` over a file that several processes share.

    Write-ahead log; writers wait for each other instead of failing. Opens on first use; a connection a thread.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []

    def insert(self, collection: str, documents: Iterable[Mapping[str, Any]]) -> int:
        rows = [(encode(document),) for document in documents]
        if rows:
            with self._writing(collection) as (connection, table):
                connection.executemany(f"INSERT INTO {table} VALUES (?)", rows)
        return len(rows)

    def insert_encoded(self, collection: str, documents: Sequence[bytes]) -> int:
        if not documents:
            return 0
        with self._translated(collection):
            # The connection is this thread's own, and stays so.
            self._connection.execute("PRAGMA synchronous=FULL")
        # One statement: SQLite works without the interpreter, which row by row would take it back each time.
        rows = "SELECT value FROM json_each(CAST(? AS TEXT))"
        array = b"[" + b",".join(documents) + b"]"
        with self._writing(collection) as (connection, table):
            try:
                return connection.execute(f"INSERT OR IGNORE INTO {table} {rows}", (array,)).rowcount
            except sqlite3.OperationalError as error:
                if "malformed JSON" not in str(error):
                    raise
                raise DocumentRefusedError(collection=collection, problem="it is no JSON.") from None

    def find(
        self,
        collection: str,
        filter: Filter | None = None,
        *,
        sort: Sort = (),
        limit: int = 0,
        fields: Sequence[str] = (),
    ) -> list[Document]:
        matching, values = where(filter)
        bound = f" LIMIT {int(limit)}" if limit else ""
        what = parts(fields) if fields else "document"
        rows = self._read(f"SELECT {what} FROM {_table(collection)}{matching}{order(sort)}{bound}", values)
        if fields:
            # As one text: for many small ones, calling the decoder costs more than decoding.
            found = decode(f"[{','.join(text for (text,) in rows)}]")
            return [dict(zip(fields, values, strict=False)) for values in found]
        return [decode(text) for (text,) in rows]

    def find_one(self, collection: str, filter: Filter | None = None, *, sort: Sort = ()) -> Document | None:
        return next(iter(self.find(collection, filter, sort=sort, limit=1)), None)

    def upsert(self, collection: str, key: Filter, document: Mapping[str, Any]) -> None:
        fields = settable({**key, **document})
        with self._writing(collection) as (connection, table):
            if not _set(connection, table, key, fields, " LIMIT 1"):
                connection.execute(f"INSERT INTO {table} VALUES (?)", (encode(fields),))

    def update(self, collection: str, filter: Filter, fields: Mapping[str, Any]) -> int:
        with self._writing(collection) as (connection, table):
            return _set(connection, table, filter, settable(fields))

    def delete(self, collection: str, filter: Filter) -> int:
        matching, values = where(filter)
        with self._writing(collection) as (connection, table):
            return connection.execute(f"DELETE FROM {table}{matching}", values).rowcount

    def count(self, collection: str, filter: Filter | None = None) -> int:
        matching, values = where(filter)
        rows = self._read(f"SELECT count(*) FROM {_table(collection)}{matching}", values)
        return int(rows[0][0]) if rows else 0

    def unique(self, collection: str, fields: Sequence[str]) -> None:
        with self._writing(collection) as (connection, table):
            index = f'"{collection}: {", ".join(fields)}"'
            connection.execute(f"CREATE UNIQUE INDEX IF NOT EXISTS {index} ON {table} ({columns(fields)})")
            _index(connection, table, collection, fields)  # as one of MongoDB's it serves ranges too

    def index(self, collection: str, fields: Sequence[str]) -> None:
        with self._writing(collection) as (connection, table):
            _index(connection, table, collection, fields)

    def ping(self) -> None:
        self._read("SELECT 1", [])

    def close(self) -> None:
        while self._opened:
            self._opened.pop().close()
        self._local = threading.local()

    @property
    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            Path(self._path).parent.mkdir(parents=True, exist_ok=True)
            # Transactions are begun by hand; close() may be called from another thread than the one that opened.
            connection = sqlite3.connect(
                self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._opened.append(connection)
            _write_ahead(connection)
            self._local.connection = connection
        return connection

    @contextmanager
    def _writing(self, collection: str) -> Iterator[tuple[sqlite3.Connection, str]]:
        """One transaction on a collection's table, which it makes if need be."""
        table = _table(collection)
        with self._translated(collection), self._connection as connection:
            # At once, not with the first write: two readers that both want to write would stop each other.
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(f"CREATE TABLE IF NOT EXISTS {table} (document TEXT NOT NULL)")
            yield connection, table

    def _read(self, query: str, values: Sequence[Any]) -> list[Any]:
        with self._translated():
            try:
                return self._connection.execute(query, values).fetchall()
            except sqlite3.OperationalError as error:
                if str(error).startswith("no such table"):
                    return []
                raise

    @contextmanager
    def _translated(self, collection: str = "") -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError as error:
            fields = re.search(r"index '\w+: (.*)'", str(error))
            key = f"the same {fields[1]}" if fields else "that key"
            raise DocumentDuplicateError(collection=collection, key=key) from None
        except sqlite3.ProgrammingError:
            raise  # a mistake of ours, which no other try mends
        except (sqlite3.DatabaseError, OSError) as error:
            hint = f"Is the folder writable? ({error})"
            raise ServiceUnavailableError(
                service="The embedded document store", address=self._path, hint=hint
            ) from None


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Readers and a writer side by side. The switch itself does not wait for others as everything else does."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.005, 0.05))  # not all again at once


def _index(connection: sqlite3.Connection, table: str, collection: str, fields: Sequence[str]) -> None:
    index = f'"{collection} by {", ".join(fields)}"'
    connection.execute(f"CREATE INDEX IF NOT EXISTS {index} ON {table} ({lookup(fields)})")


def _set(connection: sqlite3.Connection, table: str, filter: Filter, fields: Document, bound: str = "") -> int:
    """Set fields on the rows that match; gives how many did."""
    matching, values = where(filter)
    rows = connection.execute(f"SELECT rowid, document FROM {table}{matching}{bound}", values).fetchall()
    changed = [(encode({**decode(document), **fields}), rowid) for rowid, document in rows]
    connection.executemany(f"UPDATE {table} SET document = ? WHERE rowid = ?", changed)
    return len(rows)


def _table(collection: str) -> str:
    if not _NAME.fullmatch(collection):
        raise ValueError(f"{collection!r} cannot name a collection: it must contain only letters, digits and '_'")
    return f'"{collection}"'
