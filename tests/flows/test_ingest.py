"""From a source to a version: its tasks without Prefect's engine and Dask."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import flows.checked
import flows.ingest
import flows.platform
import flows.validation
from flows.plan import StagePlan
from sluice.arrival import Arrived
from sluice.compute import InProcessCompute
from sluice.errors import TableNotFoundError
from sluice.lake import WATERMARK, Lake
from sluice.references import TableRef
from sluice.use_case import load_use_case
from tests import feed


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    """The use case ``feed``, which reads the folder feed/, and its empty lake."""
    packages = tmp_path / "packages"
    feed.install(packages, "feed/*")
    (tmp_path / "feed").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(packages)
    monkeypatch.setattr("sluice.use_case.discover", lambda: {"feed": "feed"})
    monkeypatch.setattr("flows.steps.forward", lambda: None)
    monkeypatch.setattr("flows.artifacts.publish_profile", lambda *_: None)
    monkeypatch.setenv("SLUICE_HOME", str(tmp_path / "home"))
    flows.platform.platform.cache_clear()
    yield flows.platform.platform().lake
    flows.platform.platform.cache_clear()


def checked(lake: Lake, code: str = "c", **given: Any) -> tuple[Arrived, StagePlan, flows.checked.Checked]:
    """The first half of what the flow's tasks do, in their order."""
    inputs = flows.ingest.resolve("feed", given)
    plan = StagePlan(stage="ingest", use_case="feed", params={}, inputs=inputs, code=code, timeout=60)
    arrived = flows.ingest.read.fn(plan)
    compute = InProcessCompute(lake.staging("raw/feed"))
    return arrived, plan, flows.validation.check(plan, load_use_case("feed"), arrived, compute)


def write(plan: StagePlan, checked: flows.checked.Checked) -> TableRef | None:
    """The other half."""
    refused = flows.ingest.quarantine.fn(plan, checked)
    new = flows.ingest.compare.fn(plan, checked, refused)
    return flows.ingest.write.fn(plan, checked, refused, new)


def run(lake: Lake) -> tuple[Arrived, StagePlan]:
    arrived, plan, verdict = checked(lake)
    write(plan, verdict)
    return arrived, plan


def stored(lake: Lake, table: str = "raw/feed") -> pl.DataFrame:
    return lake.dataset(lake.latest_or_raise(table)).read()


def test_a_second_run_reads_nothing_and_adds_nothing(lake: Lake) -> None:
    """The watermark is committed with the rows; a new file alone is read, in whatever format."""
    Path("feed/a.csv").write_text("id,name\n1,a\n2,b\n")
    _, first = run(lake)
    assert json.loads(lake.versions("raw/feed")[0].metadata[WATERMARK])["files"]
    arrived, second = run(lake)
    assert arrived.rows.files == ()
    assert second.key == first.key
    assert len(lake.versions("raw/feed")) == 1

    pl.DataFrame({"name": ["b", "c"], "id": [2, 3]}).write_parquet("feed/b.parquet")
    arrived, third = run(lake)
    assert arrived.rows.file_rows == 2
    assert third.key != first.key
    assert stored(lake).sort("id").rows() == [(1, "a"), (2, "b"), (3, "c")]
    assert len(lake.versions("raw/feed")) == 2


def test_malformed_lines_and_changed_columns_lose_no_good_row(lake: Lake) -> None:
    """One run over files that do not agree: what is good is written, the rest is in quarantine with its reason."""
    Path("feed/a.csv").write_text('id,name\n1,a\n2\nx,b\n3,"c\n4,d\n')
    pl.DataFrame({"id": [5], "name": ["e"]}).write_parquet("feed/b.parquet")
    pl.DataFrame({"id": ["6", "six"], "other": [1, 2], "name": ["f", "g"]}).write_parquet("feed/c.parquet")
    Path("feed/d.jsonl").write_text('{"id": 7, "name": "h"}\n{"id": 8\n')
    run(lake)
    assert stored(lake)["id"].sort().to_list() == [1, 4, 5, 6, 7]
    refused = {row["reason"]: json.loads(row["row"]) for row in stored(lake, "quarantine/feed").to_dicts()}
    texts = {content["text"] for reason, content in refused.items() if reason.startswith("malformed line: ")}
    assert texts == {"2", '3,"c', '{"id": 8'}
    assert len(stored(lake, "quarantine/feed")) == 5


def test_a_reading_that_fails_commits_nothing(lake: Lake) -> None:
    """Rows of the good file are not written either, so the next run reads both."""
    Path("feed/a.csv").write_text("id,name\n1,a\n")
    Path("feed/b.csv").write_text("id;name\n2;b\n")
    with pytest.raises(Exception, match="Is the separator ';'"):
        run(lake)
    assert lake.latest("raw/feed") is None
    Path("feed/b.csv").write_text("id,name\n2,b\n")
    run(lake)
    assert stored(lake)["id"].sort().to_list() == [1, 2]


def test_two_at_once_write_each_row_once(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have read and checked before one of them writes; the other notices and leaves out what is there then."""
    monkeypatch.setattr("flows.steps.compute", lambda table: InProcessCompute(lake.staging(table)))
    Path("feed/a.csv").write_text("id,name\n1,a\n2,b\nx,c\n")
    _, one, first = checked(lake)
    Path("feed/b.csv").write_text("id,name\n2,b\n3,d\n")
    _, other, second = checked(lake)
    write(other, second)
    write(one, first)
    assert stored(lake)["id"].sort().to_list() == [1, 2, 3]
    assert len(lake.versions("raw/feed")) == 1
    assert len(stored(lake, "quarantine/feed")) == 2  # each once: the one without a number, and the repeated 2
    Path("feed/c.csv").write_text("id,name\n4,e\n")
    _, one, first = checked(lake, "one")
    Path("feed/d.csv").write_text("id,name\n5,f\n")
    _, other, second = checked(lake, "other")
    write(one, first)
    write(other, second)
    assert stored(lake)["id"].sort().to_list() == [1, 2, 3, 4, 5]
    assert len(lake.versions("raw/feed")) == 3


def test_a_window_without_rows_is_no_failure(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the table exists there is nothing to refer to; a backfill goes on to the next window all the same."""
    monkeypatch.setattr(load_use_case("feed").steps, "TIME", "id", raising=False)
    Path("feed/a.csv").write_text("id,name\n1,a\n")
    _, plan, verdict = checked(lake, window={"start": "1990-01-01", "end": "1990-02-01"})
    assert write(plan, verdict) is None
    assert lake.latest("raw/feed") is None

    _, plan, verdict = checked(lake, window={"start": "1970-01-01", "end": "1970-02-01"})
    assert write(plan, verdict) == TableRef(table="raw/feed", version=0)


def test_a_source_that_never_gave_a_row_is_told_of(lake: Lake) -> None:
    """A pipeline could not go on from it."""
    Path("feed/a.csv").write_text("id,name\n")
    _, plan, verdict = checked(lake)
    with pytest.raises(TableNotFoundError, match="gave no rows"):
        write(plan, verdict)
