"""The document store without a server: SQLite, one table a collection, one JSON document a row.

Several processes share the file: write-ahead log, and writers wait for each other instead of failing.
"""

import json
import re
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sluice.documents import Document, Filter, Sort
from sluice.errors import DocumentDuplicateError, ServiceUnavailableError

_BUSY_SECONDS = 15.0
_OPERATORS = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<=", "$ne": "IS NOT"}
_NAME = re.compile(r"^[A-Za-z0-9_.]+$")
_DATE = "$date"


class EmbeddedDocuments:
    """`sluice.documents.DocumentStore` over one SQLite file. Opens on first use; a connection a thread."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []

    @property
    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            Path(self._path).parent.mkdir(parents=True, exist_ok=True)
            # Closed by close(), maybe from another thread.
            connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, check_same_thread=False)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            self._local.connection = connection
            self._opened.append(connection)
        return connection

    @contextmanager
    def _transaction(self, collection: str) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._connection
            with connection:
                # At once, not on the first write: two readers that both want to write would deadlock.
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(f"CREATE TABLE IF NOT EXISTS {_table(collection)} (document TEXT NOT NULL)")
                yield connection
        except sqlite3.IntegrityError as error:
            raise DocumentDuplicateError(collection=collection, key=f"that key ({error})") from None
        except (sqlite3.OperationalError, OSError) as error:
            raise self._unavailable(error) from None

    def _unavailable(self, error: Exception) -> ServiceUnavailableError:
        return ServiceUnavailableError(
            service="The embedded document store", address=self._path, hint=f"Is the folder writable? ({error})"
        )

    def insert(self, collection: str, documents: Iterable[Mapping[str, Any]]) -> int:
        rows = [(_encode(document),) for document in documents]
        with self._transaction(collection) as connection:
            connection.executemany(f"INSERT INTO {_table(collection)} VALUES (?)", rows)
        return len(rows)

    def find(self, collection: str, filter: Filter | None = None, *, sort: Sort = (), limit: int = 0) -> list[Document]:
        where, values = _where(filter)
        order = ", ".join(f"{_field(name)} {'ASC' if direction > 0 else 'DESC'}" for name, direction in sort)
        query = f"SELECT document FROM {_table(collection)}{where}"
        query += f" ORDER BY {order or 'rowid'}" + (f" LIMIT {int(limit)}" if limit else "")
        return [_decode(row[0]) for row in self._read(query, values)]

    def find_one(self, collection: str, filter: Filter | None = None, *, sort: Sort = ()) -> Document | None:
        return next(iter(self.find(collection, filter, sort=sort, limit=1)), None)

    def upsert(self, collection: str, key: Filter, document: Mapping[str, Any]) -> None:
        where, values = _where(key)
        patch = _encode({**key, **document})
        with self._transaction(collection) as connection:
            found = connection.execute(f"SELECT rowid, document FROM {_table(collection)}{where} LIMIT 1", values)
            row = found.fetchone()
            if row is None:
                connection.execute(f"INSERT INTO {_table(collection)} VALUES (?)", (patch,))
            else:
                merged = json.dumps(json.loads(row[1]) | json.loads(patch))
                connection.execute(f"UPDATE {_table(collection)} SET document = ? WHERE rowid = ?", (merged, row[0]))

    def update(self, collection: str, filter: Filter, fields: Mapping[str, Any]) -> int:
        where, values = _where(filter)
        patch = json.loads(_encode(fields))
        with self._transaction(collection) as connection:
            rows = connection.execute(f"SELECT rowid, document FROM {_table(collection)}{where}", values).fetchall()
            connection.executemany(
                f"UPDATE {_table(collection)} SET document = ? WHERE rowid = ?",
                [(json.dumps(json.loads(document) | patch), rowid) for rowid, document in rows],
            )
        return len(rows)

    def delete(self, collection: str, filter: Filter) -> int:
        where, values = _where(filter)
        with self._transaction(collection) as connection:
            return connection.execute(f"DELETE FROM {_table(collection)}{where}", values).rowcount

    def count(self, collection: str, filter: Filter | None = None) -> int:
        where, values = _where(filter)
        rows = self._read(f"SELECT count(*) FROM {_table(collection)}{where}", values)
        return int(rows[0][0]) if rows else 0

    def unique(self, collection: str, fields: Sequence[str]) -> None:
        columns = ", ".join(_field(name) for name in fields)
        index = _table(f"{collection}.{'.'.join(fields)}")
        with self._transaction(collection) as connection:
            connection.execute(f"CREATE UNIQUE INDEX IF NOT EXISTS {index} ON {_table(collection)} ({columns})")

    def ping(self) -> None:
        self._read("SELECT 1", [])

    def close(self) -> None:
        while self._opened:
            self._opened.pop().close()
        self._local = threading.local()

    def _read(self, query: str, values: Sequence[Any]) -> list[Any]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise self._unavailable(error) from None
        except OSError as error:
            raise self._unavailable(error) from None


def _table(collection: str) -> str:
    if not _NAME.match(collection):
        raise ValueError(f"{collection!r} cannot name a collection: letters, digits, '_' and '.' only")
    return f'"{collection}"'


def _field(name: str) -> str:
    """The SQL for a field's comparable value: a time compares by its number, as everything else does by itself."""
    if not _NAME.match(name):
        raise ValueError(f"{name!r} cannot name a field: letters, digits, '_' and '.' only")
    return f"coalesce(json_extract(document, '$.{name}.\"{_DATE}\"'), json_extract(document, '$.{name}'))"


def _where(filter: Filter | None) -> tuple[str, list[Any]]:
    terms: list[str] = []
    values: list[Any] = []
    for name, wanted in (filter or {}).items():
        conditions = wanted if isinstance(wanted, Mapping) else {"$eq": wanted}
        for operator, value in conditions.items():
            if operator == "$in":
                terms.append(f"{_field(name)} IN ({', '.join('?' * len(value))})")
                values += [_comparable(one) for one in value]
            else:
                terms.append(f"{_field(name)} {'IS' if operator == '$eq' else _OPERATORS[operator]} ?")
                values.append(_comparable(value))
    return (" WHERE " + " AND ".join(terms) if terms else ""), values


def _milliseconds(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone; times in documents are aware")
    return round(moment.timestamp() * 1000)


def _comparable(value: Any) -> Any:
    return _milliseconds(value) if isinstance(value, datetime) else value


def _encode(document: Mapping[str, Any]) -> str:
    return json.dumps(dict(document), default=_encode_value)


def _encode_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return {_DATE: _milliseconds(value)}
    raise TypeError(f"a {type(value).__name__} cannot be stored in a document; convert it first")


def _decode(text: str) -> Document:
    document: Document = json.loads(text, object_hook=_decode_object)
    return document


def _decode_object(value: dict[str, Any]) -> Any:
    return datetime.fromtimestamp(value[_DATE] / 1000, UTC) if value.keys() == {_DATE} else value
