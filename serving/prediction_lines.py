"""Predictions as lines of the spool: the collection, the model, and the document as stores keep it.

A document is {id, at, model, version, rows, first, of, features, output, latency_ms, caller, route}, and
trace_id where the request was part of a trace. ``features`` are
{column: [a value a row]}, or the rows where the model has no names. A large prediction is several documents, ``<id>``,
``<id>-1``, …: ``rows`` is how many this one holds, ``first`` the index of its first, ``of`` how many there are in all.
"""

import re
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import orjson

from sluice import document_json

# A document stays far below MongoDB's 16 MiB, and one call of the encoder below a millisecond or two.
ROWS_A_DOCUMENT = 1_000
CELLS_A_DOCUMENT = 20_000

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
_OWN_MARKS = 1  # the key "$date"
_LEAST, _GREATEST = -(2**63), 2**63 - 1


class Prediction(NamedTuple):
    """One answer of a model. The log owns it from then on: nobody may change ``rows`` or ``output`` any more.

    Attributes:
        at: when it was asked for, in seconds since the epoch.
        columns: names for ``rows``, where the model has them.
        rows: a list of rows, an array of shape (rows, columns), or columns by name.
        output: a value a row, or columns by name; bytes are JSON already.
        seconds: how long the answer took.
    """

    id: str
    at: float
    model: str
    version: str
    columns: tuple[str, ...] | None
    rows: Any
    output: Any
    seconds: float
    caller: str
    route: str
    trace_id: str = ""


def collection(model: str, entity: str) -> str:
    """Where documents about a model are. A use case is its collection's name; other models may be named otherwise."""
    return f"{re.sub(r'[^A-Za-z0-9_]', '_', model)}_{entity}"


def prefix(collection: str, model: str) -> bytes:
    return f"{collection} {quote(model, safe='')} ".encode()


class Lines:
    """Makes lines of predictions. For one thread: it remembers what the last ones had in common."""

    def __init__(self) -> None:
        self._prefixes: dict[str, bytes] = {}

    def of(self, prediction: Prediction, redacted: frozenset[str]) -> list[bytes]:
        """One line, or more for a large prediction. ``redacted`` columns and keys are null in them."""
        id, at, model, version, columns, given, output, seconds, caller, route, trace_id = prediction
        rows, features = _features(columns, given, redacted)
        step = 1 if rows <= 1 else _step(rows, features)
        if isinstance(output, bytes):
            # As it is, where nobody has to look into it.
            whole = step >= rows and not redacted and b"\n" not in output
            output = orjson.Fragment(output) if whole else orjson.loads(output)
        if redacted:
            output = _redacted(output, redacted)
        document = {
            "id": id,
            "at": at,
            "model": model,
            "version": version,
            "rows": rows,
            "first": 0,
            "of": rows,
            "features": features,
            "output": output,
            "latency_ms": round(seconds * 1000, 3),
            "caller": caller,
            "route": route,
        }
        if trace_id:
            document["trace_id"] = trace_id
        start = self._prefixes.get(model) or self._prefix(model)
        if step >= rows:
            return [_line(start, document, at)]
        return [_line(start, part, at) for part in _parts(document, step)]

    def _prefix(self, model: str) -> bytes:
        made = self._prefixes[model] = prefix(collection(model, "predictions"), model)
        return made


def part(values: Any, first: int, last: int, rows: int) -> Any:
    """Those of some rows, in lists and arrays that have an element a row, at any depth of names."""
    if isinstance(values, dict):
        return {name: part(value, first, last, rows) for name, value in values.items()}
    if _is_many(values) and len(values) == rows:
        return values[first:last]
    return values


def row_of(values: Any, index: int, rows: int) -> Any:
    """As `part`, for one row: its own values instead of lists of one."""
    if isinstance(values, dict):
        return {name: row_of(value, index, rows) for name, value in values.items()}
    return values[index] if _is_many(values) and len(values) == rows else values


def _line(prefix: bytes, document: dict[str, Any], at: float) -> bytes:
    """A line of the spool; the document gets ``at`` as its time. What JSON has no form for becomes text."""
    document["at"] = {document_json.DATE: _time(at)}
    try:
        encoded = orjson.dumps(document, default=_jsonable, option=_OPTIONS)
    except TypeError:  # lone surrogates, integers beyond 64 bits
        encoded = orjson.dumps(_plain(document), option=_OPTIONS)
    if encoded.count(b'"$') > _OWN_MARKS:
        # A client's key may look like a store's own mark for a time.
        clean = {**orjson.loads(encoded), "at": datetime.fromtimestamp(at, UTC)}
        encoded = document_json.encode(clean).encode()
    return b"%b%b\n" % (prefix, encoded)


def _features(columns: tuple[str, ...] | None, rows: Any, redacted: frozenset[str]) -> tuple[int, Any]:
    """The number of rows, and the features."""
    if isinstance(rows, dict):
        named = dict(rows)
        number = max((_length(values) for values in named.values()), default=0)
    elif columns is None:
        # Nobody knows which of them are redacted.
        return len(rows), None if redacted else rows
    else:
        number = len(rows)
        values = rows.T.tolist() if isinstance(rows, np.ndarray) else zip(*rows, strict=True)
        named = dict(zip(columns, values, strict=number > 0))
    if not redacted:
        return number, named
    for name in redacted & named.keys():
        named[name] = [None] * number
    return number, _redacted(named, redacted)


def _length(values: Any) -> int:
    return len(values) if _is_many(values) else 1


def _is_many(value: Any) -> bool:
    return isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim > 0)


def _step(rows: int, features: Any) -> int:
    """How many rows a document holds."""
    cells = _cells(part(features, 0, 1, rows))
    return max(1, min(ROWS_A_DOCUMENT, CELLS_A_DOCUMENT // max(1, cells)))


def _cells(value: Any) -> int:
    if isinstance(value, dict):
        return sum(_cells(item) for item in value.values())
    if isinstance(value, np.ndarray):
        return value.size
    return sum(_cells(item) for item in value) if isinstance(value, list | tuple) else 1


def _parts(document: dict[str, Any], step: int) -> Iterator[dict[str, Any]]:
    rows = document["rows"]
    for number, first in enumerate(range(0, rows, step)):
        values = {name: part(document[name], first, first + step, rows) for name in ("features", "output")}
        id = f"{document['id']}-{number}" if number else document["id"]
        yield {**document, **values, "id": id, "first": first, "rows": min(step, rows - first)}


def _redacted(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {key: _nothing(item) if key in names else _redacted(item, names) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(item, names) for item in value]
    return value


def _nothing(value: Any) -> Any:
    """None, in the shape of a column."""
    return [None] * len(value) if _is_many(value) else None


def _jsonable(value: Any) -> Any:
    """What the encoder asks for when it meets something else than JSON, times and plain arrays."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return b64encode(value).decode()
    if isinstance(value, set | frozenset):
        return list(value)
    return str(value)


def _plain(value: Any) -> Any:
    """The same with nothing in it that only Python can say."""
    if isinstance(value, dict):
        return {_plain(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in (value.tolist() if isinstance(value, np.ndarray) else value)]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int) and not _LEAST <= value <= _GREATEST:
        return str(value)
    return value if value is None or isinstance(value, bool | int | float | orjson.Fragment) else _jsonable(value)


@lru_cache(16)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _time(at: float) -> str:
    """As `sluice.document_json.encode_time` writes it, ten times as fast."""
    second, milliseconds = divmod(int(at * 1000), 1000)
    return f"{_second(second)}.{milliseconds:03}Z"
