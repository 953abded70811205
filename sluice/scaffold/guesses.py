"""Which column is which: guesses, each with its reason for the reader who checks it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sluice.scaffold.columns import Column

_KEY = re.compile(r"(^|_)(id|key|uuid|no|number)$")
# The first that any column is called by counts.
_TARGETS = (
    re.compile(r"^(target|label|y|class_?|outcome|response|churn(ed)?)$"),
    re.compile(r"^(left|is_\w+|has_\w+|price|amount|value)$"),
)
_ROLES = {
    "user_id": re.compile(r"user|customer|client|visitor|member|account|person"),
    "item_id": re.compile(r"item|product|movie|article|sku|track|song|book|course"),
    "title": re.compile(r"title|name|description"),
    "timestamp": re.compile(r"time|date|_at$|^at$|when"),
}
_MOST_CLASSES = 20
_MOST_TEXTS = 50


@dataclass(frozen=True)
class Guess:
    """Attributes:
    names: of columns.
    reason: why those.
    """

    names: tuple[str, ...]
    reason: str


def key_of(columns: Sequence[Column]) -> Guess:
    """What identifies a row: a column called like an id, the first one, or all of them."""
    candidates = [c for c in columns if c.unique and c.is_always_there and c.dtype in {"Int64", "String"}]
    named = next((c for c in candidates if _KEY.search(c.name)), None)
    if named is not None:
        return Guess((named.name,), "(nearly) every row has a value of its own")
    if candidates and candidates[0] is columns[0]:
        return Guess((columns[0].name,), "the first column, where (nearly) every row has a value of its own")
    return Guess(
        tuple(c.name for c in columns if c.is_always_there) or tuple(c.name for c in columns),
        "no column is called an id and has each value once; two equal rows count as one",
    )


def target_of(columns: Sequence[Column], kind: str, use_case: str, key: Guess) -> Guess | None:
    """What is to be predicted: a column that is called so, or the last that can be. None where none can."""
    fits = [c for c in columns if (c.name not in key.names or len(key.names) > 1) and _can_be_target(c, kind)]
    if not fits:
        return None
    named = next((c for c in fits if use_case in c.name or c.name in use_case), None)
    called = (c for pattern in _TARGETS for c in reversed(fits) if pattern.search(c.name))
    named = named or next(called, None)
    if named is not None:
        return Guess((named.name,), "by its name")
    values = "few different values" if kind == "classifier" else "numbers"
    return Guess((fits[-1].name,), f"the last column of {values}")


def _can_be_target(column: Column, kind: str) -> bool:
    if kind == "regressor":
        return column.is_number and column.distinct > 2
    return column.dtype in {"Int64", "String", "Boolean"} and 2 <= column.distinct <= _MOST_CLASSES


def inputs_of(columns: Sequence[Column], without: Sequence[str]) -> tuple[list[str], list[str]]:
    """Columns to predict from: numbers, and text of few different values."""
    left = [c for c in columns if c.name not in without]
    numbers = [c.name for c in left if c.is_number or c.dtype == "Boolean"]
    return numbers, [c.name for c in left if c.dtype == "String" and c.distinct <= _MOST_TEXTS]


def roles_of(columns: Sequence[Column]) -> dict[str, str]:
    """For a recommender: the column of the file that is user_id, item_id, title or timestamp, by that name."""
    found: dict[str, str] = {}
    for role, pattern in _ROLES.items():
        fits = [c for c in columns if c.source not in found.values() and pattern.search(c.name) and _can_be(role, c)]
        exact = [c for c in fits if c.name == role] or [c for c in fits if _KEY.search(c.name)] or fits
        if exact:
            found[role] = exact[0].source
    for role in ("user_id", "item_id"):
        rest = [c for c in columns if c.source not in found.values() and _can_be(role, c) and not c.unique]
        if role not in found and rest:
            found[role] = rest[0].source
    return found


def is_time_like(column: Column) -> bool:
    """Times, and numbers that are called so."""
    return column.is_time or bool(_ROLES["timestamp"].search(column.name))


def _can_be(role: str, column: Column) -> bool:
    if role == "timestamp":
        return column.is_time or column.dtype == "Int64"
    if role == "title":
        return column.dtype == "String"
    return column.dtype in {"Int64", "String"} and column.is_always_there
