"""Versions, idempotence and concurrent writers of the lake."""

import os
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable

from sluice.errors import TableMovedError, TableNotFoundError, TableSchemaChangedError, VersionNotFoundError
from sluice.lake import WATERMARK, Lake
from sluice.references import TableRef


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


def rows(*ids: int) -> pl.DataFrame:
    return pl.DataFrame({"id": ids}, schema={"id": pl.Int64})


def test_every_version_stays_readable(lake: Lake) -> None:
    """A later append or overwrite does not change what an earlier version holds."""
    first = lake.write("raw/t", rows(1, 2), key="a")
    second = lake.write("raw/t", rows(3), key="b")
    third = lake.write("raw/t", rows(9), key="c", mode="overwrite")
    assert [sorted(lake.dataset(ref).read()["id"]) for ref in (first, second, third)] == [[1, 2], [1, 2, 3], [9]]
    assert [version.rows for version in lake.versions("raw/t")] == [1, 1, 2]


def test_rows_keep_the_order_of_their_files(lake: Lake) -> None:
    """Whatever the files are called: training on the same rows again must see them in the same order."""
    staging = lake.staging("raw/t")
    files = [staging.write(rows(number)) for number in range(12)]
    ref = lake.commit(staging.dataset(files), key="a")
    assert lake.dataset(ref).read()["id"].to_list() == list(range(12))


def test_the_same_work_is_one_version(lake: Lake) -> None:
    """A second commit with the same key gives the first one's version, also after others have written."""
    first = lake.write("raw/t", rows(1), key="a")
    lake.write("raw/t", rows(2), key="b")
    assert lake.write("raw/t", rows(1), key="a") == first
    assert lake.dataset(lake.latest_or_raise("raw/t")).rows == 2


def _write(folder: str, key: str, value: int) -> TableRef:
    return Lake(folder).write("raw/t", rows(value), key=key)


@pytest.mark.slow
def test_writers_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    """Processes that commit at once, some with equal keys, end as one version a key, each with its own rows."""
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        keys = [f"k{i % 6}" for i in range(12)]
        made = list(pool.map(_write, [str(tmp_path)] * 12, keys, range(12)))
    assert len(set(made)) == 6
    assert dict(zip(keys, made, strict=True)) == dict(zip(keys[:6], made[6:], strict=True))
    lake = Lake(str(tmp_path))
    found = lake.dataset(lake.latest_or_raise("raw/t")).read()["id"]
    assert sorted(i % 6 for i in found) == [0, 1, 2, 3, 4, 5]


def test_other_columns_are_refused_and_nothing_is_written(lake: Lake) -> None:
    """An append with another type names the column, and readers go on."""
    first = lake.write("raw/t", rows(1), key="a")
    with pytest.raises(TableSchemaChangedError, match=r"id: .*long.* -> .*string"):
        lake.write("raw/t", pl.DataFrame({"id": ["x"]}), key="b")
    assert lake.latest("raw/t") == first
    assert lake.dataset(first).read()["id"].to_list() == [1]


def test_nothing_to_append_is_no_version(lake: Lake) -> None:
    """An ingest that found nothing new gives the version that is there; on an empty lake it says what to do."""
    empty = lake.staging("raw/t").dataset([])
    with pytest.raises(TableNotFoundError):
        lake.commit(empty, key="a")
    first = lake.write("raw/t", rows(1), key="b")
    assert lake.commit(empty, key="c") == first


def test_unknown_versions_say_which_there_are(lake: Lake) -> None:
    """The error names the versions that exist."""
    lake.write("raw/t", rows(1), key="a")
    with pytest.raises(VersionNotFoundError, match=r"no version 7\. It has 0 to 0"):
        lake.dataset(TableRef(table="raw/t", version=7))


def test_as_of_finds_the_version_of_that_moment(lake: Lake) -> None:
    """A time between two commits gives the first; a time before both is an error."""
    first = lake.write("raw/t", rows(1), key="a")
    time.sleep(0.05)
    between = datetime.now(UTC)
    time.sleep(0.05)
    lake.write("raw/t", rows(2), key="b")
    assert lake.as_of("raw/t", between) == first
    with pytest.raises(VersionNotFoundError):
        lake.as_of("raw/t", between - timedelta(days=1))


def test_watermark_is_the_last_one_written(lake: Lake) -> None:
    """A version without a watermark does not forget the one before it."""
    staged = lake.staging("raw/t")
    lake.commit(staged.dataset([staged.write(rows(1))]), key="a", metadata={WATERMARK: "17"})
    lake.write("raw/t", rows(2), key="b")
    assert lake.watermark("raw/t") == "17"


def test_vacuum_removes_orphans_and_keeps_every_version(lake: Lake, tmp_path: Path) -> None:
    """What a dead writer left goes; files that any version names stay, overwritten ones too."""
    first = lake.write("raw/t", rows(1), key="a")
    lake.write("raw/t", rows(2), key="b", mode="overwrite")
    orphan = lake.staging("raw/t").write(rows(3))
    old = time.time() - 3600
    for path in (tmp_path / "raw/t").glob("*.parquet"):
        os.utime(path, (old, old))
    lake.vacuum("raw/t", keep_hours=0)
    assert not (tmp_path / "raw/t" / orphan.path).exists()
    assert lake.dataset(first).read()["id"].to_list() == [1]


def test_pruned_versions_are_gone_and_say_so(lake: Lake) -> None:
    """What is to be kept is readable, the rest is not and does not exist any more; pruning makes no version."""
    for name in "abcd":
        last = lake.write("features/t", rows(ord(name)), key=name, mode="overwrite")
    refs = [TableRef(table="features/t", version=version) for version in range(4)]
    assert len(lake.prune("features/t", [1], keep_hours=0, dry_run=True)) == 2
    assert all(lake.exists(ref) for ref in refs)
    assert len(lake.prune("features/t", [1], keep_hours=0)) == 2
    assert [lake.exists(ref) for ref in refs] == [False, True, False, True]
    with pytest.raises(VersionNotFoundError, match=r"no version 2 any more\. It has been pruned"):
        lake.dataset(refs[2])
    assert lake.latest("features/t") == last
    assert [version.version for version in lake.versions("features/t")] == [3, 2, 1, 0]
    after = lake.write("features/t", rows(9), key="e", mode="overwrite")
    assert lake.dataset(after).read()["id"].to_list() == [9]


def test_the_newest_version_costs_no_whole_log(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter asks for it every half minute; entries about removed files are not versions."""
    assert lake.newest("raw/t") is None
    for number in range(30):
        lake.write("raw/t", rows(number), key=str(number), mode="overwrite")
    read: list[int] = []
    history = DeltaTable.history

    def counted(self: DeltaTable, limit: int | None = None) -> list[dict[str, Any]]:
        found = history(self, limit)
        read.append(len(found))
        return found

    monkeypatch.setattr(DeltaTable, "history", counted)
    newest = lake.newest("raw/t")
    assert max(read) == 2
    assert newest == lake.versions("raw/t")[0]
    for keep in (1, 2, 3):
        lake.prune("raw/t", [keep], keep_hours=0)
    assert lake.newest("raw/t") == newest
    assert lake.latest("raw/t") == TableRef(table="raw/t", version=29)


def test_a_commit_onto_an_older_version_is_refused(lake: Lake) -> None:
    """What was worked out against a version is not added to another; pruning in between does not count."""
    staged = lake.staging("raw/t")
    files = staged.dataset([staged.write(rows(1))])
    first = lake.commit(files, key="a", onto=-1)
    lake.prune("raw/t", [], keep_hours=0)
    second = lake.commit(staged.dataset([staged.write(rows(2))]), key="b", onto=first.version)
    with pytest.raises(TableMovedError, match=f"got version {second.version}"):
        lake.commit(staged.dataset([staged.write(rows(3))]), key="c", onto=first.version)
    assert lake.commit(files, key="a", onto=-1) == first  # done before, so it is not done again


def test_versions_are_named_by_number_or_moment(lake: Lake) -> None:
    """What stands on a command line; a wrong one says how it is written."""
    first = lake.write("raw/t", rows(1), key="a")
    assert lake.at("raw/t", "0") == lake.at("raw/t", 0) == first
    assert lake.at("raw/t", (datetime.now(UTC) + timedelta(seconds=1)).isoformat()) == first
    with pytest.raises(VersionNotFoundError, match="or a moment such as"):
        lake.at("raw/t", "yesterday")


def test_tables_are_plain_delta(lake: Lake, tmp_path: Path) -> None:
    """Any Delta reader sees the rows, and time travel is kept for years."""
    lake.write("raw/t", rows(1, 2), key="a")
    table = DeltaTable(str(tmp_path / "raw/t"))
    assert table.to_pyarrow_table().num_rows == 2
    assert table.metadata().configuration["delta.logRetentionDuration"] == "interval 3650 days"


def test_filters_add_up_and_travel(lake: Lake) -> None:
    """``where`` twice keeps what both let through, in the dataset and in each of its partitions."""
    dataset = lake.dataset(lake.write("raw/t", rows(1, 2, 3, 4), key="a"))
    part = dataset.where(pl.col("id") > 1).where(pl.col("id") < 4)
    assert part.read()["id"].to_list() == [2, 3]
    assert [partition.read()["id"].to_list() for partition in part.partitions()] == [[2, 3]]
    assert (part.rows, part.file_rows) == (2, 4)
