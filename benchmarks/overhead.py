"""What orchestration costs: a pipeline through its deployments against the same steps as plain functions.

On the real ratings, where the work is small and the overhead shows in seconds, and on 20 million generated rows, where
it should vanish. Repetitions of both sides alternate, so that a busy machine disturbs both.
"""

from collections.abc import Mapping
from typing import Any

from benchmarks.bench import Bench
from benchmarks.bench_stack import BenchStack
from benchmarks.deployed_pipeline import StageTime, deployed
from benchmarks.result import Result, Table, Target
from benchmarks.spread import Spread

TITLE = "Overhead: stages as deployment runs on Dask, against the same steps as plain functions in one process"
STAGES = ("ingest", "features", "train", "evaluate")
REPETITIONS = 5
LARGE_REPETITIONS = 2
LARGE_ROWS = 20_000_000


class Measured:
    """Repetitions of one use case on both sides."""

    def __init__(self) -> None:
        self.plain: list[dict[str, dict[str, float]]] = []
        self.deployed: list[dict[str, StageTime]] = []

    def plain_seconds(self, stage: str) -> Spread:
        return Spread.of(sum(run[stage].values()) for run in self.plain)

    def deployed_seconds(self, stage: str) -> Spread:
        return Spread.of(run[stage].run for run in self.deployed)

    def overhead(self, stage: str) -> float:
        """Seconds, of the medians."""
        return self.deployed_seconds(stage).median - self.plain_seconds(stage).median

    def share(self) -> float:
        """Overhead of all stages together, in percent of the plain functions."""
        plain = sum(self.plain_seconds(stage).median for stage in STAGES)
        return 100 * sum(self.overhead(stage) for stage in STAGES) / plain

    def start_seconds(self) -> Spread:
        return Spread.of(run[stage].start for run in self.deployed for stage in STAGES)

    def table(self, title: str) -> Table:
        rows: list[list[Any]] = []
        for stage in STAGES:
            ours, plain = self.deployed_seconds(stage), self.plain_seconds(stage)
            rows.append([stage, plain, ours, self.overhead(stage), ours.median / plain.median])
        plain_sum = sum(self.plain_seconds(stage).median for stage in STAGES)
        overhead = sum(self.overhead(stage) for stage in STAGES)
        rows.append(["all four", plain_sum, plain_sum + overhead, overhead, 1 + overhead / plain_sum])
        columns = ["stage", "plain functions, s", "Running to Completed, s", "overhead, s", "ratio"]
        return Table(title=title, columns=columns, rows=rows)

    def parts(self) -> dict[str, dict[str, float]]:
        """Median seconds of each part of the plain functions."""
        return {
            stage: {part: Spread.of(run[stage][part] for run in self.plain).median for part in parts}
            for stage, parts in self.plain[0].items()
        }


def run(bench: Bench) -> Result:
    stack = bench.stack()
    small = _measure(bench, stack, "movies", {}, 1 if bench.quick else REPETITIONS)
    rows = 1_000_000 if bench.quick else LARGE_ROWS
    repetitions = 1 if bench.quick else LARGE_REPETITIONS
    large = _measure(bench, stack, "generated_ratings", {"rows": rows}, repetitions)
    start, whole = small.start_seconds(), Spread.of(run["pipeline"].run for run in small.deployed)
    per_stage = sum(small.overhead(stage) for stage in STAGES) / len(STAGES)
    return Result(
        benchmark="overhead",
        title=TITLE,
        quick=bench.quick,
        tables=[
            small.table("movies: 100,004 ratings (median, and range where there is one)"),
            large.table(f"generated_ratings: {rows:,} rows"),
        ],
        targets=[
            Target(name="movies, overhead of a stage, mean of the four", measured=per_stage, below=1.5, unit=" s"),
            *(
                Target(name=f"movies, overhead of {stage}", measured=small.overhead(stage), below=1.5, unit=" s")
                for stage in STAGES
            ),
            Target(name=f"{rows:,} rows, overhead of all stages", measured=large.share(), below=10, unit=" %"),
            Target(name="start latency of a stage", measured=start.median, below=3, unit=" s"),
        ],
        notes=[
            f"Start latency, from submission to Running, of {start.runs} stages: {start} s",
            f"The whole pipeline of movies, from Running to Completed, start latencies included: {whole} s",
        ],
        details={
            name: {
                "plain_parts": measured.parts(),
                "plain": measured.plain,
                "deployed": [{stage: time.model_dump() for stage, time in run.items()} for run in measured.deployed],
            }
            for name, measured in {"movies": small, "generated_ratings": large}.items()
        },
    )


def _measure(bench: Bench, stack: BenchStack, use_case: str, params: Mapping[str, Any], repetitions: int) -> Measured:
    """Both sides in turn, each with a seed of its own, so that no stage is skipped. The first run of both warms up."""
    measured = Measured()
    # A folder of its own: the lake and the documents of the stack belong to the other side.
    with stack.peer("benchmarks.plain_pipeline", SLUICE_HOME=str(stack.root / "plain")) as peer:
        for repetition in range(repetitions + 1):
            warm_up = repetition == 0
            asked = {**params, **({"rows": 200_000} if warm_up and "rows" in params else {}), "seed": repetition}
            ours = deployed(stack, use_case, asked)
            plain = peer.ask(use_case=use_case, params=asked)
            if warm_up:
                continue
            measured.deployed.append(ours)
            measured.plain.append(plain)
            seconds = sum(sum(parts.values()) for parts in plain.values())
            bench.say(
                f"{use_case} {repetition}/{repetitions}: plain {seconds:.1f} s, "
                f"deployed {sum(ours[stage].run for stage in STAGES):.1f} s"
            )
    return measured
