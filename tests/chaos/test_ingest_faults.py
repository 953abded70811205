"""Broken input and kill -9 in the middle of an ingest, on the real engines: nothing half-written, no good row lost."""

import gzip
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import distributed
import polars as pl
import pytest

from sluice.lake import Lake
from sluice.runs import FlowRun, PrefectRuns
from tests import feed, runs
from tests.chaos.processes import kill_flow_process
from tests.conftest import INSTALLED, Stack

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.slow, pytest.mark.rare]


@pytest.fixture
def folder(stack: Stack, tmp_path: Path) -> Iterator[Path]:
    """The folder that ``ingest/feed``, which the stack knows, reads."""
    folder = tmp_path / "feed"
    folder.mkdir()
    feed.install(stack.root / INSTALLED, f"{folder}/*")
    done = stack.sluice("deploy")
    assert "ingest/feed" in done.stdout, done.stdout
    yield folder
    with PrefectRuns(stack.settings.prefect.url) as prefect:
        for name in prefect.deployments():
            if name.endswith("/feed"):
                prefect.request("DELETE", f"/deployments/{prefect.request('GET', f'/deployments/name/{name}')['id']}")
    for path in (stack.root / INSTALLED).glob("feed*"):
        shutil.rmtree(path)
    for table in ("raw", "quarantine"):
        shutil.rmtree(f"{stack.settings.lake_uri}/{table}/feed", ignore_errors=True)


def csv(first: int, count: int) -> str:
    return "id,name\n" + "".join(f"{number},name {number}\n" for number in range(first, first + count))


def ids(stack: Stack) -> list[int]:
    lake = Lake.from_settings(stack.settings)
    return lake.dataset(lake.latest_or_raise("raw/feed")).scan().select("id").collect()["id"].sort().to_list()


def ingest(stack: Stack) -> FlowRun:
    return runs.run(stack, "ingest/feed")


def refused(stack: Stack, said: str) -> None:
    """The run fails with one clear line, and the table is as it was."""
    before = ids(stack)
    ended = ingest(stack)
    assert ended.state_type == "FAILED", ended.message
    assert said in (ended.message or ""), ended.message
    assert ids(stack) == before


def test_broken_files_are_refused_and_mended_ones_are_read_whole(stack: Stack, folder: Path) -> None:
    """A cut-off gzip and a wrong delimiter stop the run; bytes that are no text and changed columns cost a row each."""
    (folder / "a.csv").write_text(csv(0, 1000))
    assert ingest(stack).completed
    assert ids(stack) == [*range(1000)]

    whole = gzip.compress(csv(1000, 20_000).encode())
    (folder / "b.csv.gz").write_bytes(whole[: len(whole) // 2])
    refused(stack, "b.csv.gz")
    (folder / "b.csv.gz").write_bytes(whole)
    (folder / "c.csv").write_text(csv(21_000, 10).replace(",", ";"))
    refused(stack, "Is the separator ';'")
    (folder / "c.csv").write_text(csv(21_000, 10))
    (folder / "d.csv").write_bytes(csv(21_010, 2).encode() + "21012,Zoë\n".encode("latin-1") + b"21013,Zoe\n")
    changed = pl.DataFrame({"name": ["e", "f"], "id": ["21014", "none"], "more": [1, 2]})
    changed.write_parquet(folder / "e.parquet")
    ended = ingest(stack)
    assert ended.completed, ended.message
    assert ids(stack) == [*range(21_012), 21_013, 21_014]
    quarantine = stack.sluice("data", "quarantine", "feed").stdout
    assert "not valid UTF-8" in quarantine
    assert "id: not a Int64" in quarantine


def test_killed_in_the_middle_of_a_write(stack: Stack, folder: Path) -> None:
    """Workers and the flow's process die when rows are half written; readers see the last version."""
    (folder / "a.csv").write_text(csv(0, 1000))
    assert ingest(stack).completed
    (folder / "b.csv").write_text(csv(1000, 2_000_000))
    table = Path(stack.settings.lake_uri) / "raw" / "feed"
    there = set(table.glob("part-*.parquet"))
    run = runs.start(stack, "ingest/feed")
    deadline = time.monotonic() + 240
    while not set(table.glob("part-*.parquet")) - there:
        assert time.monotonic() < deadline, "nothing was written"
        time.sleep(0.01)
    with distributed.Client(stack.settings.dask.address, set_as_default=False) as client:
        workers = client.run(os.getpid)
        kill_flow_process(stack, run)
        for pid in workers.values():
            os.kill(pid, signal.SIGKILL)
    assert ids(stack) == [*range(1000)]
    assert runs.wait(stack, run).state_type == "CRASHED"
    ended = ingest(stack)
    assert ended.completed, ended.message
    assert ids(stack) == [*range(2_001_000)]
    assert len(Lake.from_settings(stack.settings).versions("raw/feed")) == 2
