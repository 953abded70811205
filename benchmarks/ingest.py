"""From a CSV to a version of the raw table: how time and memory grow from 1 to 20 million rows.

Every size is read by workers that were started for it. The peer is DuckDB: the same file, the same rules, one process.
"""

import math
import shutil
from collections.abc import Sequence
from functools import partial

import psutil
from pydantic import BaseModel

from benchmarks.bench import Bench
from benchmarks.bench_stack import BenchStack
from benchmarks.deployed_pipeline import completed
from benchmarks.memory import PeakMemory
from benchmarks.plain_pipeline import empty
from benchmarks.result import Result, Table, Target
from benchmarks.stage_memory import fresh_workers, of_stage
from sluice.lake import Lake
from sluice.runs import PrefectRuns

TITLE = "Ingest: a CSV through contract and quarantine to a version, from 1 to 20 million rows, and DuckDB alone"
SIZES = (1_000_000, 2_000_000, 5_000_000, 10_000_000, 20_000_000)
USE_CASE = "csv_ratings"


class Measured(BaseModel):
    """One size: seconds and MiB of the stage and of the peer. ``idle`` is what the workers held before."""

    rows: int
    file_mib: float
    seconds: float
    peak: float
    idle: float
    peer_seconds: float
    peer_peak: float


def run(bench: Bench) -> Result:
    stack = bench.stack()
    sizes = (200_000, 400_000) if bench.quick else SIZES
    _one(stack, 200_000)  # the server and the file cache are warm afterwards
    measured = []
    for rows in sizes:
        one = _one(stack, rows)
        measured.append(one)
        bench.say(f"{rows:,} rows: {one.seconds:.1f} s, {one.peak:,.0f} MiB; DuckDB {one.peer_seconds:.1f} s")
    counts = [float(one.rows) for one in measured]
    largest = measured[-1]
    time_exponent = exponent(counts, [one.seconds for one in measured])
    memory_exponent = exponent(counts, [one.peak for one in measured])
    last_time = exponent(counts[-2:], [one.seconds for one in measured[-2:]])
    return Result(
        benchmark="ingest",
        title=TITLE,
        quick=bench.quick,
        tables=[
            Table(
                title="Running to Completed of the stage, and its peak memory",
                columns=[
                    "rows",
                    "CSV, MiB",
                    "s",
                    "rows a second",
                    "peak, MiB",
                    "DuckDB, s",
                    "DuckDB, MiB",
                    "time ratio",
                ],
                rows=[
                    [
                        *(f"{one.rows:,}", one.file_mib, one.seconds, round(one.rows / one.seconds), one.peak),
                        *(one.peer_seconds, one.peer_peak, one.seconds / one.peer_seconds),
                    ]
                    for one in measured
                ],
            )
        ],
        targets=[
            Target(name=f"peak memory at {largest.rows:,} rows", measured=largest.peak, below=1536, unit=" MiB"),
            Target(name="exponent of time", measured=time_exponent, below=1.1),
            Target(name="exponent of time, of the last doubling", measured=last_time, below=1.1),
            Target(name="exponent of peak memory", measured=memory_exponent, below=1.0),
        ],
        notes=[
            "An exponent is the slope of the logarithms (least squares): 1 is linear, 0 does not grow.",
            "Memory is RSS, of the flow's process and the Dask workers together, and of DuckDB's process. "
            f"The workers alone hold {measured[0].idle:,.0f} MiB before there is anything to do.",
        ],
        details={"measured": [one.model_dump() for one in measured]},
    )


def _one(stack: BenchStack, rows: int) -> Measured:
    file = stack.root / "ratings" / "ratings.csv"
    with stack.peer("benchmarks.ratings_csv") as writer:
        writer.ask(path=str(file), rows=rows)
    empty(Lake.from_settings(stack.settings), USE_CASE)
    workers = fresh_workers(stack)
    with PrefectRuns.of(stack.settings.prefect) as runs, PeakMemory(of_stage(stack, workers)) as memory:
        ended = completed(runs, runs.start(f"ingest/{USE_CASE}", {}))
    _check(stack, rows)
    target = stack.root / "duckdb.parquet"
    with stack.peer("benchmarks.ingest_peer") as peer, PeakMemory(partial(_alone, peer.pid)) as peer_memory:
        peer_seconds = peer.ask(path=str(file), target=str(target))
    measured = Measured(
        rows=rows,
        file_mib=file.stat().st_size / 2**20,
        seconds=ended.seconds,
        peak=memory.peak,
        idle=memory.first,
        peer_seconds=peer_seconds,
        peer_peak=peer_memory.peak,
    )
    shutil.rmtree(file.parent)
    target.unlink()
    return measured


def _alone(pid: int) -> list[psutil.Process]:
    return [psutil.Process(pid)]


def _check(stack: BenchStack, rows: int) -> None:
    """A figure of an ingest that lost rows would be worth nothing."""
    lake = Lake.from_settings(stack.settings)
    kept = lake.dataset(lake.latest_or_raise(f"raw/{USE_CASE}")).rows
    refused = lake.dataset(lake.latest_or_raise(f"quarantine/{USE_CASE}")).rows
    if kept + refused != rows or refused != rows // 1_000:
        raise RuntimeError(f"{rows} rows came, {kept} were accepted and {refused} refused")


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Of ``values`` as a power of ``sizes``: the slope of the logarithms, by least squares."""
    x, y = [math.log(size) for size in sizes], [math.log(value) for value in values]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / sum((a - mean_x) ** 2 for a in x)
