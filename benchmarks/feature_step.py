"""The feature step on 10 million rows: a run of the stage on Dask against DuckDB alone in one process.

The stage brings each user's rows together over the cluster, flags hold-out and validation rows by the stable hash, adds
the user's mean training rating, sorts, and commits a version. DuckDB does the same with one query.
"""

from functools import partial

import psutil

from benchmarks.bench import Bench
from benchmarks.bench_stack import BenchStack
from benchmarks.deployed_pipeline import completed
from benchmarks.memory import PeakMemory
from benchmarks.peer import Peer
from benchmarks.result import Result, Table, Target, ratio
from benchmarks.spread import Spread
from benchmarks.stage_memory import fresh_workers, of_stage
from sluice.runs import PrefectRuns

TITLE = "Feature step: a stage on Dask, against DuckDB alone in one process"
ROWS = 10_000_000
REPETITIONS = 3


def run(bench: Bench) -> Result:
    stack = bench.stack()
    rows, repetitions = (1_000_000, 1) if bench.quick else (ROWS, REPETITIONS)
    with stack.peer("benchmarks.feature_table") as writer:
        files = writer.ask(rows=rows)
    workers = fresh_workers(stack)
    seconds: list[float] = []
    peaks: list[float] = []
    idle: list[float] = []
    build: list[float] = []
    peer_seconds: list[float] = []
    peer_peaks: list[float] = []
    for repetition in range(repetitions + 1):
        with PeakMemory(of_stage(stack, workers)) as memory:
            took, building = _stage(stack, seed=repetition)
        # A process of its own each time: one that has done it before would hold more memory.
        with (
            stack.peer("benchmarks.feature_peer") as peer,
            PeakMemory(partial(_alone, peer)) as peer_memory,
        ):
            peer_took = peer.ask(files=files, target=str(stack.root / "duckdb.parquet"))
        if repetition == 0:
            continue  # the workers import what they need
        seconds.append(took)
        build.append(building)
        peaks.append(memory.peak)
        idle.append(memory.first)
        peer_seconds.append(peer_took)
        peer_peaks.append(peer_memory.peak)
        bench.say(f"stage {took:.1f} s, {memory.peak:,.0f} MiB; DuckDB {peer_took:.1f} s, {peer_memory.peak:,.0f} MiB")
    ours, theirs, step = Spread.of(seconds), Spread.of(peer_seconds), Spread.of(build)
    memory_ours, memory_theirs = Spread.of(peaks), Spread.of(peer_peaks)
    return Result(
        benchmark="feature_step",
        title=TITLE,
        quick=bench.quick,
        tables=[
            Table(
                title=f"{rows:,} rows (median, and range)",
                columns=["", "seconds", "peak memory, MiB"],
                rows=[
                    ["DuckDB, one process", theirs, memory_theirs],
                    ["stage, Running to Completed", ours, memory_ours],
                    ["ratio", ratio(ours, theirs), ratio(memory_ours, memory_theirs)],
                    ["of the stage: the step, its task build", step, None],
                    ["ratio of the step", ratio(step, theirs), None],
                    ["of the stage: workers before it began", None, Spread.of(idle)],
                ],
            )
        ],
        targets=[
            Target(name="time of the step, to DuckDB's", measured=ratio(step, theirs), below=1.5, unit=" times"),
            Target(name="time of the whole stage, to DuckDB's", measured=ratio(ours, theirs), below=1.5, unit=" times"),
            Target(name="peak memory, to DuckDB's", measured=ratio(memory_ours, memory_theirs), below=2, unit=" times"),
        ],
        notes=[
            f"Memory is RSS, of the flow's process and {len(workers)} Dask workers together, and of DuckDB's process."
        ],
    )


def _alone(peer: Peer) -> list[psutil.Process]:
    return [psutil.Process(peer.pid)]


def _stage(stack: BenchStack, seed: int) -> tuple[float, float]:
    """Seconds from Running to Completed, and of the task ``build``."""
    with PrefectRuns.of(stack.settings.prefect) as runs:
        ended = completed(runs, runs.start("features/generated_ratings", {"params": {"seed": seed}}))
        build = next(task for task in runs.tasks(ended.id) if task["name"].startswith("build"))
    return ended.seconds, float(build["total_run_time"])
