"""From a source to a version: its tasks without Prefect's engine and Dask."""

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

import flows.ingest
import flows.platform
import flows.validation
from flows.plan import StagePlan
from sluice.arrival import Arrived
from sluice.compute import InProcessCompute
from sluice.lake import WATERMARK, Lake
from sluice.use_case import load_use_case

YAML = """\
name: feed
title: Rows of files
owner: tests
source: {kind: file, path: feed/*}
promote_if: {}
quarantine: {max_share: 1.0}
"""
STEPS = """\
import pandera.polars as pa
from pydantic import BaseModel

KEY = ("id",)


class Params(BaseModel):
    pass


class Schema(pa.DataFrameModel):
    id: int
    name: str


def ingest(source, params, since):
    yield from source.read(since)


def build_features(raw, params, compute): ...
def split(features, params): ...
def train(train, params, compute): ...
def evaluate(model, holdout, params): ...
"""


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    """The use case ``feed``, which reads the folder feed/, and its empty lake."""
    package = tmp_path / "packages" / "feed"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "use_case.yaml").write_text(YAML)
    (package / "steps.py").write_text(STEPS)
    (tmp_path / "feed").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.setattr("sluice.use_case.discover", lambda: {"feed": "feed"})
    monkeypatch.setattr("flows.steps.forward", lambda: None)
    monkeypatch.setattr("flows.artifacts.publish_profile", lambda *_: None)
    monkeypatch.setenv("SLUICE_HOME", str(tmp_path / "home"))
    flows.platform.platform.cache_clear()
    yield flows.platform.platform().lake
    flows.platform.platform.cache_clear()


def run(lake: Lake) -> tuple[Arrived, StagePlan]:
    """What the flow's tasks do, in their order."""
    inputs = flows.ingest.resolve("feed", {})
    plan = StagePlan(stage="ingest", use_case="feed", params={}, inputs=inputs, code="c", timeout=60)
    arrived = flows.ingest.read.fn(plan)
    compute = InProcessCompute(lake.staging("raw/feed"))
    checked = flows.validation.check(plan, load_use_case("feed"), arrived, compute)
    refused = flows.ingest.quarantine.fn(plan, checked)
    new = flows.ingest.compare.fn(plan, checked, refused)
    flows.ingest.write.fn(plan, checked, refused, new)
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
