"""The document store port's filters, sort orders and keys as SQL over one JSON column called ``document``."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sluice.document_json import DATE, encode
from sluice.documents import Filter, Sort

_COMPARISONS = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}


def where(filter: Filter | None) -> tuple[str, list[Any]]:
    """A WHERE clause, or nothing, and its values.

    Raises:
        ValueError: an operator or a value that the port does not have.
    """
    terms: list[str] = []
    values: list[Any] = []
    for name, wanted in (filter or {}).items():
        for operator, value in (wanted if isinstance(wanted, Mapping) else {"$eq": wanted}).items():
            term, more = _term(name, operator, value)
            terms.append(term)
            values += more
    return (" WHERE " + " AND ".join(terms) if terms else ""), values


def order(sort: Sort) -> str:
    """An ORDER BY clause: the order in which documents came, where the fields do not say."""
    fields = [f"{_extract(name)} {'ASC' if ways > 0 else 'DESC'}" for name, ways in sort]
    return " ORDER BY " + ", ".join([*fields, "rowid"])


def columns(fields: Sequence[str]) -> str:
    """What a unique index is over: the same expressions as in `where`, so that look-ups by key use it."""
    return ", ".join(_value(name) for name in fields)


def lookup(fields: Sequence[str]) -> str:
    """What another index is over: the last field as `order` and the comparisons of `where` have it."""
    *wanted, last = fields
    return ", ".join([*(_value(name) for name in wanted), _extract(last)])


def parts(fields: Sequence[str]) -> str:
    """A column with a JSON array of these fields, null for those that are missing."""
    paths = [_path(name) for name in fields]
    # With one path, SQLite gives its value and not an array; and only in an array true is no 1.
    return f"json_extract(document, {', '.join(paths if len(paths) > 1 else paths * 2)})"


def _term(name: str, operator: str, value: Any) -> tuple[str, list[Any]]:
    if operator == "$in":
        return _among(name, value)
    if operator == "$ne":
        term, values = _term(name, "$eq", value)
        return f"NOT ({term})", values
    comparison = _COMPARISONS.get(operator)
    if comparison is None and operator != "$eq":
        raise ValueError(f"{operator!r} is no operator of a filter")
    kind, comparable = _comparable(name, value)
    if comparable is not None:
        left = f"{_value(name)} =" if comparison is None else f"{_extract(name)} {comparison}"
        return f"({kind} AND {left} ?)", [comparable]
    if operator == "$eq":
        return kind, []
    raise ValueError(f"{operator} cannot compare with {value!r}")


def _among(name: str, values: Iterable[Any]) -> tuple[str, list[Any]]:
    """Values of one kind are one term, for which an index can be used."""
    kinds: dict[str, list[Any]] = {}
    for value in values:
        kind, comparable = _comparable(name, value)
        kinds.setdefault(kind, []).extend([] if comparable is None else [comparable])
    terms = [
        f"({kind} AND {_value(name)} IN ({', '.join('?' * len(found))}))" if found else kind
        for kind, found in kinds.items()
    ]
    return f"({' OR '.join(terms) or '0'})", [value for found in kinds.values() for value in found]


def _comparable(name: str, value: Any) -> tuple[str, Any]:
    """The condition that a field is of the value's kind, and the value; None for a kind with one value only."""
    kind = f"coalesce(json_type(document, {_path(name)}), 'null')"
    match value:
        case None:
            return f"{kind} = 'null'", None
        case bool():
            return f"{kind} = '{str(value).lower()}'", None
        case int() | float():
            return f"{kind} IN ('integer', 'real')", value
        case str():
            return f"{kind} = 'text'", value
        case datetime():
            return f"coalesce(json_type(document, {_path(f'{name}.{DATE}')}), 'null') = 'text'", encode(value)
    raise ValueError(f"a filter cannot compare with {value!r}")


def _value(name: str) -> str:
    # SQL's NULLs are all different; a missing field equals another.
    return f"coalesce({_extract(name)}, 'null')"


def _extract(name: str) -> str:
    return f"json_extract(document, {_path(name)})"


def _path(name: str) -> str:
    """A field's place in the document, as an SQL literal: an index can be over a literal only."""
    if not name or {'"', "'", "\0"} & set(name):
        raise ValueError(f"{name!r} cannot name a field: it must contain only letters, digits and marks but quotes")
    return "'$" + "".join(f'."{part}"' for part in name.split(".")) + "'"
