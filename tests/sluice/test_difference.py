"""What changed between two versions."""

from pathlib import Path

import polars as pl
import pytest

from sluice.dataset import Dataset
from sluice.difference import difference
from sluice.lake import Lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


def version(lake: Lake, frame: pl.DataFrame) -> Dataset:
    return lake.dataset(lake.write("features/t", frame, key=str(frame.to_dict(as_series=False)), mode="overwrite"))


def test_rows_are_compared_by_their_key(lake: Lake) -> None:
    """One added, one removed, one with another value; an equal one and one with equal nulls are neither."""
    old = version(lake, pl.DataFrame({"id": [1, 2, 3, 4], "x": [1.0, 2.0, 3.0, None]}))
    new = version(lake, pl.DataFrame({"id": [2, 3, 4, 5], "x": [2.0, 3.5, None, 5.0]}))
    found = difference(old, new, ("id",))
    assert (found.added, found.removed, found.changed, found.columns) == (1, 1, 1, [])
    assert {(row["change"], row["id"]) for row in found.examples.to_dicts()} == {
        ("added", 5),
        ("removed", 1),
        ("changed", 3),
    }


def test_columns_that_came_went_or_changed_are_named(lake: Lake) -> None:
    """Rows are then compared by what both have."""
    old = version(lake, pl.DataFrame({"id": [1], "gone": [1], "kind": [1]}))
    new = version(lake, pl.DataFrame({"id": [1], "kind": ["a"], "came": [True]}))
    found = difference(old, new, ("id",))
    assert found.columns == ["gone is gone", "came is new: Boolean", "kind was Int64, is String"]
    assert (found.added, found.removed, found.changed) == (0, 0, 0)


def test_a_table_without_the_key_is_compared_by_whole_rows(lake: Lake) -> None:
    """A quarantine table has reasons and text, not the use case's key."""
    old = version(lake, pl.DataFrame({"reason": ["a"], "row": ["{}"]}))
    new = version(lake, pl.DataFrame({"reason": ["a", "b"], "row": ["{}", "{}"]}))
    found = difference(old, new, ("id",))
    assert (found.added, found.removed, found.changed) == (1, 0, 0)
