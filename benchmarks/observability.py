"""What observing a request costs serving: nothing observed, logs and metrics, and traces of every tenth on top.

One row a request, the prediction log and keys off on every side, in rounds that alternate.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.closed_loop import wrk
from benchmarks.peer import Peer
from benchmarks.peer_environment import KEPT
from benchmarks.result import Result, Table, Target
from benchmarks.serving_ours import ours
from benchmarks.serving_peers import environment
from benchmarks.serving_rounds import Measured, Plan, measure
from benchmarks.serving_side import FOREST, LOGISTIC, Made, Side
from benchmarks.span_sink import span_sink
from benchmarks.spread import Spread
from deployments.local.ports import free_ports

TITLE = "Observability: what logs, metrics and traces add to a prediction over HTTP"
PLAN = Plan(rounds=12, seconds=5, warm=1, open_seconds=20, common_rate=True)
QUICK = Plan(rounds=2, seconds=2, warm=1, open_seconds=3, common_rate=True)
NOTHING, METRICS, TRACES = "nothing", "logs and metrics", "and traces, 10 %"
SAMPLE = 0.1
# Percent of the p50 without any, set before anything was measured.
_BELOW = {METRICS: 5.0, TRACES: 10.0}


def run(bench: Bench) -> Result:
    """Raises RuntimeError where wrk is missing, and where a server gives another answer than the model."""
    wrk()
    with tempfile.TemporaryDirectory(prefix="sluice-bench-", ignore_cleanup_errors=True) as root, span_sink() as sink:
        url, sizes = sink
        made = _made(bench, Path(root))
        measured = measure(bench, list(_sides(made, url)), made.folder, QUICK if bench.quick else PLAN, _environment())
        sent = len(sizes)
    if not sent:
        raise RuntimeError("No span was sent: the side with traces did not trace")
    return Result(
        benchmark="observability",
        title=TITLE,
        quick=bench.quick,
        tables=[_table(measured, model) for model in (LOGISTIC, FOREST)],
        targets=[
            Target(name=f"{model}, p50, {side}", measured=added(measured, model, side), below=below, unit=" %")
            for model in (LOGISTIC, FOREST)
            for side, below in _BELOW.items()
        ],
        notes=[
            "32 connections of wrk, medians of the rounds (and their range). Servers are stopped out of turn. What is "
            "added is the median, over the rounds, of each round's p50 against that of the same round without any.",
            "Calm: an open loop at half the rate that the slowest of the three could answer, the same for all of them.",
            "The forest's requests are computed together while it is busy, which hides most of what a request adds.",
            f"{sent} batches of spans reached the collector.",
        ],
        details={
            f"{line.line.model}, {line.line.name}": {
                "p50": [one.p50 for one in line.rounds],
                "cpu_ms": line.cpu,
                "open_loop": line.open,
            }
            for line in measured.lines
        },
    )


def added(measured: Measured, model: str, side: str) -> float:
    """Percent of the p50, of the median round."""
    with_it, without = _p50(measured, model, side), _p50(measured, model, NOTHING)
    return Spread.of(100 * (one / other - 1) for one, other in zip(with_it, without, strict=True)).median


def _p50(measured: Measured, model: str, side: str) -> list[float]:
    (found,) = (line for line in measured.lines if (line.line.model, line.line.name) == (model, side))
    return [one.p50 for one in found.rounds]


def _table(measured: Measured, model: str) -> Table:
    rows: list[Sequence[Spread | float | str | None]] = []
    for line in measured.lines:
        if line.line.model == model:
            name = line.line.name
            more = None if name == NOTHING else added(measured, model, name)
            p50, cpu = Spread.of(one.p50 for one in line.rounds), Spread.of(line.cpu)
            calm = line.open or {}
            rows.append([name, p50, Spread.of(one.p99 for one in line.rounds), cpu, more, calm["p50"], calm["p99"]])
    columns = ["observed", "p50, ms", "p99, ms", "CPU a request, ms", "p50 added, %", "calm p50, ms", "calm p99, ms"]
    return Table(title=model.capitalize(), columns=columns, rows=[list(row) for row in rows])


def _sides(made: Made, collector: str) -> Iterator[Side]:
    for model in (LOGISTIC, FOREST):
        quiet = ours(model, made, on=False)
        given: dict[str, dict[str, str]] = {
            NOTHING: {"SLUICE_LOG_LEVEL": "ERROR"},
            METRICS: {"SLUICE_SERVING__REQUEST_METRICS": "true"},
            TRACES: {
                "SLUICE_SERVING__REQUEST_METRICS": "true",
                "SLUICE_TRACES__OTLP_URL": collector,
                "SLUICE_TRACES__SAMPLE": str(SAMPLE),
            },
        }
        for number, (name, env) in enumerate(given.items()):
            (port,) = free_ports("127.0.0.1", 1)
            own = {"SLUICE_SERVING__PORT": str(port), "SLUICE_HOME": str(made.folder / f"home-{model}-{number}")}
            command = [*quiet.command[:-1], "benchmarks.unobserved_serving"] if name == NOTHING else quiet.command
            lines = [replace(line, name=name, open=True) for line in quiet.lines]
            yield replace(quiet, name=name, port=port, command=command, env={**quiet.env, **env, **own}, lines=lines)


def _made(bench: Bench, root: Path) -> Made:
    bench.say("Models")
    uri = f"sqlite:///{root / 'mlflow.db'}"
    with Peer("benchmarks.serving_models", _environment(), root / "models.log") as peer:
        made = peer.ask(folder=str(root), uri=uri, recommender=str(KEPT / "recommender"))
    return Made(folder=root, uri=uri, **made)


def _environment() -> dict[str, str]:
    return environment(more={"PYTHONPATH": str(Path(__file__).parents[1]), "PATH": os.environ["PATH"]})
