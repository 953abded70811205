"""Old versions go, those that a model was made from never."""

from pathlib import Path

import polars as pl
import pytest

from sluice.lake import Lake
from sluice.references import TableRef
from sluice.retention import prune
from tests.fakes import FakeRegistry


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """raw/m with two versions; features/m with five, each overwriting the one before."""
    lake = Lake(str(tmp_path))
    for number in range(2):
        lake.write("raw/m", pl.DataFrame({"id": [number]}), key=f"r{number}")
    staging = lake.staging("features/m")
    for number in range(5):
        staged = staging.dataset([staging.write(pl.DataFrame({"id": [number]}))])
        lake.commit(staged, key=f"f{number}", mode="overwrite", metadata={"sluice.raw": f"raw/m@{number % 2}"})
    return lake


@pytest.fixture
def registry() -> FakeRegistry:
    registry = FakeRegistry("m", versions=2)
    registry.tag("1", sluice__features="features/m@1")
    return registry


def readable(lake: Lake, table: str, versions: int) -> list[int]:
    return [number for number in range(versions) if lake.exists(TableRef(table=table, version=number))]


def test_what_a_model_was_trained_on_stays(lake: Lake, registry: FakeRegistry) -> None:
    """And the newest versions, as many as wanted; the others cannot be read any more."""
    found = {table.table: table for table in prune(lake, registry, "m", last=2, keep_hours=0)}
    assert readable(lake, "features/m", 5) == [1, 3, 4]
    assert (found["features/m"].kept, found["features/m"].gone) == ((1, 3, 4), (0, 2))
    assert lake.dataset(TableRef(table="features/m", version=1)).read()["id"].to_list() == [1]


def test_versions_that_only_grew_stay_readable(lake: Lake, registry: FakeRegistry) -> None:
    """An old raw version is a part of the newest one, so it costs nothing."""
    prune(lake, registry, "m", last=1, keep_hours=0)
    assert readable(lake, "raw/m", 2) == [0, 1]


def test_a_dry_run_tells_and_removes_nothing(lake: Lake, registry: FakeRegistry) -> None:
    """The same answer as the real one, which follows."""
    told = prune(lake, registry, "m", last=2, keep_hours=0, dry_run=True)
    assert readable(lake, "features/m", 5) == [0, 1, 2, 3, 4]
    assert told == prune(lake, registry, "m", last=2, keep_hours=0)


def test_young_files_stay(lake: Lake, registry: FakeRegistry) -> None:
    """Somebody may be about to commit them, or reading them."""
    prune(lake, registry, "m", last=1, keep_hours=1)
    assert readable(lake, "features/m", 5) == [0, 1, 2, 3, 4]
