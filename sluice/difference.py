"""What changed between two versions of a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from sluice.dataset import Dataset

_EXAMPLES = 5


@dataclass(frozen=True)
class Difference:
    """Rows by key, and columns.

    Attributes:
        columns: one line for each that came, went or has another type.
        examples: a few rows of each kind, with the kind in the column ``change``.
    """

    added: int
    removed: int
    changed: int
    columns: list[str]
    examples: pl.DataFrame

    def as_dict(self) -> dict[str, Any]:
        counts = {"added": self.added, "removed": self.removed, "changed": self.changed}
        return {**counts, "columns": self.columns, "examples": self.examples.to_dicts()}


def difference(old: Dataset, new: Dataset, key: Sequence[str]) -> Difference:
    """Compare two versions of one table. Without the key's columns (a quarantine table) whole rows are the key."""
    before, after = old.read(), new.read()
    columns = _columns(before.schema, after.schema)
    shared = [name for name in after.columns if before.schema.get(name) == after.schema[name]]
    by = [name for name in key if name in shared]
    if len(by) < len(key):
        by = shared
    added = after.join(before, on=by, how="anti", nulls_equal=True)
    removed = before.join(after, on=by, how="anti", nulls_equal=True)
    others = [name for name in shared if name not in by]
    changed = after.clear()
    if others:
        in_both = after.join(before.select(by).unique(), on=by, how="semi", nulls_equal=True)
        changed = in_both.join(before, on=[*by, *others], how="anti", nulls_equal=True)
    kinds = {"added": added, "removed": removed, "changed": changed}
    examples = [
        frame.select(shared).head(_EXAMPLES).select(pl.lit(kind).alias("change"), pl.all())
        for kind, frame in kinds.items()
    ]
    return Difference(added.height, removed.height, changed.height, columns, pl.concat(examples))


def _columns(before: pl.Schema, after: pl.Schema) -> list[str]:
    gone = [f"{name} is gone" for name in before if name not in after]
    new = [f"{name} is new: {after[name]}" for name in after if name not in before]
    other = [
        f"{name} was {before[name]}, is {after[name]}"
        for name in before
        if after.get(name, before[name]) != before[name]
    ]
    return [*gone, *new, *other]
