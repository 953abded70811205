"""The document store port's filters, sort orders and keys as SQL over one JSON column called ``document``."""

from collections.abc import Mapping, Sequence
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
    fields = [f"json_extract(document, {_path(name)}) {'ASC' if ways > 0 else 'DESC'}" for name, ways in sort]
    return " ORDER BY " + ", ".join([*fields, "rowid"])


def columns(fields: Sequence[str]) -> str:
    """What a unique index is over: the same expressions as in `where`, so that look-ups by key use it."""
    return ", ".join(_value(name) for name in fields)


def _term(name: str, operator: str, value: Any) -> tuple[str, list[Any]]:
    if operator == "$in":
        terms, lists = zip(*(_term(name, "$eq", one) for one in value), strict=True) if value else (("0",), ())
        return f"({' OR '.join(terms)})", [one for more in lists for one in more]
    if operator == "$ne":
        term, values = _term(name, "$eq", value)
        return f"NOT ({term})", values
    comparison = "=" if operator == "$eq" else _COMPARISONS.get(operator)
    if comparison is None:
        raise ValueError(f"{operator!r} is no operator of a filter")
    kind, comparable = _comparable(name, value)
    if comparable is not None:
        return f"({kind} AND {_value(name)} {comparison} ?)", [comparable]
    if operator == "$eq":
        return kind, []
    raise ValueError(f"{operator} cannot compare with {value!r}")


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
    return f"coalesce(json_extract(document, {_path(name)}), 'null')"


def _path(name: str) -> str:
    """A field's place in the document, as an SQL literal: an index can be over a literal only."""
    if not name or {'"', "'", "\0"} & set(name):
        raise ValueError(f"{name!r} cannot name a field: it must contain only letters, digits and marks but quotes")
    return "'$" + "".join(f'."{part}"' for part in name.split(".")) + "'"
