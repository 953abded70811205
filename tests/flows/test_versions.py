"""Backfills, and training on an older version of the data, on the real engines."""

import json

import polars as pl
import pytest

from sluice.lake import Lake
from sluice.models import open_registry
from tests import runs
from tests.conftest import Stack

pytestmark = [pytest.mark.integration, pytest.mark.waits]

START = 100_000_000  # seconds since 1970: 1973-03-03 09:46:40
BACKFILL = (
    *("backfill", "tiny", "ingest", "--from", "1973-03-03T09:46:40", "--to", "1973-03-03T10:03:20", "--every", "5m"),
    *("--parallel", "2", "-p", f"offset={START}", "--json"),
)


@pytest.mark.slow
def test_a_backfill_takes_each_row_in_once(stack: Stack) -> None:
    """Four windows, two at a time; the rows of all are there, once (999: one is bad); again there is nothing to do."""
    done = stack.sluice(*BACKFILL)
    assert done.returncode == 0, done.stdout
    windows = json.loads(done.stdout[done.stdout.index("[") :])
    assert [window["state"] for window in windows] == ["Completed"] * 4
    lake = Lake.from_settings(stack.settings)
    latest = lake.latest_or_raise("raw/tiny")
    ids = lake.dataset(latest).scan().filter(pl.col("id").is_between(START, START + 999)).select("id").collect()["id"]
    assert (ids.len(), ids.n_unique()) == (999, 999)
    again = stack.sluice(*BACKFILL)
    assert "4 of 4 windows were done before" in again.stdout
    assert lake.latest("raw/tiny") == latest


@pytest.mark.slow
def test_training_as_of_an_older_version_gives_the_same_model(stack: Stack) -> None:
    """After more data has come, a fresh run on the version from before makes another model with equal answers."""
    params = {"offset": 70_000_000}
    first = runs.run(stack, "pipeline/tiny", **params)
    assert first.completed, first.message
    lake, registry = Lake.from_settings(stack.settings), open_registry(stack.settings)
    before = lake.latest_or_raise("raw/tiny")
    trained = registry.get("tiny", alias="challenger").version
    assert runs.run(stack, "ingest/tiny", offset=71_000_000).completed
    assert lake.latest_or_raise("raw/tiny").version > before.version

    command = ("run", "tiny", "--as-of", str(before.version), "--fresh", "-p", "offset=70000000")
    again = stack.sluice(*command)
    assert again.returncode == 0, again.stdout
    assert "ingest" not in again.stdout
    retrained = registry.get("tiny", alias="challenger").version
    assert retrained != trained
    asked = pl.DataFrame({"x": [0.1, 0.5]}).to_pandas()
    answers = [registry.load("tiny", version).predict(asked) for version in (trained, retrained)]
    assert (answers[0] == answers[1]).all()
