"""The compute port in this process: map, reduce, search, and transforms that bring groups together."""

from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from sluice.compute import InProcessCompute, regroup
from sluice.dataset import Dataset
from sluice.staging import Staging

PARTS = 3
ROWS = 25_000  # a part: a smaller file does not become a partition of its own


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    return Staging(str(tmp_path / "table"), "features/test")


@pytest.fixture
def compute(staging: Staging) -> InProcessCompute:
    return InProcessCompute(staging)


@pytest.fixture
def dataset(staging: Staging) -> Dataset:
    """Every user in every part."""
    return staging.dataset(
        [
            staging.write(
                pl.DataFrame(
                    {
                        "user": [row % 100 for row in range(ROWS)],
                        "item": [str(row % 7) for row in range(ROWS)],
                        "n": part,
                    }
                )
            )
            for part in range(PARTS)
        ]
    )


def test_map_keeps_the_order_and_passes_arguments(compute: InProcessCompute) -> None:
    """One call an item; of nothing comes nothing."""
    assert compute.map(pow, [3, 1, 2], 2) == [9, 1, 4]
    assert compute.map(pow, [], 2) == []
    assert compute.search(pow, [3, 1], 3) == [27, 1]


def test_reduce_combines_what_the_items_gave(compute: InProcessCompute) -> None:
    """In pairs, also a single one; of nothing there is no result."""
    counted = compute.reduce(Counter, lambda left, right: left + right, ["ab", "bc", "c"])
    assert counted == {"a": 1, "b": 2, "c": 2}
    assert compute.reduce(Counter, lambda left, right: left + right, ["a"]) == {"a": 1}
    with pytest.raises(ValueError, match="at least one"):
        compute.reduce(Counter, lambda left, right: left + right, [])


def test_transform_applies_to_each_partition_and_commits_nothing(compute: InProcessCompute, dataset: Dataset) -> None:
    """All rows come through, into files that no version names; partitions that become empty leave no file."""
    assert len(dataset.partitions()) == PARTS
    made = compute.transform(dataset, lambda rows: rows.filter(pl.col("n") != 1).with_columns(twice=pl.col("n") * 2))
    assert made.version is None
    assert len(made.files) == PARTS - 1
    assert sorted(made.read()["twice"].unique()) == [0, 4]
    assert made.rows == (PARTS - 1) * ROWS
    assert dataset.rows == PARTS * ROWS


def test_transform_by_brings_groups_together(compute: InProcessCompute, dataset: Dataset) -> None:
    """With ``by`` each user's rows meet in one call, so a count of a group is the count of all of it."""
    made = compute.transform(dataset, lambda rows: rows.group_by("user").len(), by=["user"])
    counted = made.read()
    assert counted.height == 100
    assert set(counted["len"]) == {PARTS * ROWS // 100}
    assert len(made.files) > 1  # and it was not one call with everything


def test_transform_by_several_columns(compute: InProcessCompute, dataset: Dataset) -> None:
    """Groups are of all the columns together, text among them."""
    made = compute.transform(dataset, lambda rows: rows.group_by("user", "item").len(), by=["user", "item"])
    expected = dataset.scan().group_by("user", "item").len()
    assert made.read().sort("user", "item").equals(expected.collect().sort("user", "item"))


def test_transform_sees_the_datasets_filter(compute: InProcessCompute, dataset: Dataset) -> None:
    """Rows that ``where`` leaves out reach neither the function nor the groups."""
    few = dataset.where(pl.col("user") < 10)
    assert compute.transform(few, lambda rows: rows).rows == PARTS * ROWS // 10
    assert compute.transform(few, lambda rows: rows.group_by("user").len(), by=["user"]).rows == 10


def test_regrouping_loses_and_doubles_nothing(compute: InProcessCompute, staging: Staging, dataset: Dataset) -> None:
    """Every row is in one partition, and no group is in two; one partition is left as it is."""
    partitions = regroup(compute, staging, dataset, ["user"])
    users = [set(partition.read()["user"]) for partition in partitions]
    assert sum(len(found) for found in users) == len(set.union(*users)) == 100
    assert sum(partition.read().height for partition in partitions) == PARTS * ROWS
    single = staging.dataset([staging.write(pl.DataFrame({"user": [1, 1, 2]}))])
    assert regroup(compute, staging, single, ["user"]) == single.partitions()
