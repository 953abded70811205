"""What the serving benchmark prints and writes, from what was measured."""

import subprocess
from importlib.metadata import version
from typing import Any

from benchmarks.closed_loop import CONNECTIONS, wrk
from benchmarks.peer_environment import pinned
from benchmarks.result import Cell, Table, Target, ratio
from benchmarks.serving_ours import ON
from benchmarks.serving_peers import BENTOML, FASTAPI, LITSERVE, MLFLOW
from benchmarks.serving_rounds import Measured, MeasuredLine
from benchmarks.serving_side import FOREST, LOGISTIC, MOVIES, NO_MODEL
from benchmarks.spread import Spread

_TITLES = {
    FOREST: "A forest of 100 trees",
    LOGISTIC: "Logistic regression",
    MOVIES: "Recommendations: the best 10 of 9,066 items for one of 100,000 users",
}
# How many times the rate of a peer, or of the better of two, ours is to be.
_TIMES: dict[str, dict[tuple[str, ...], float]] = {
    FOREST: {(FASTAPI,): 1, (MLFLOW,): 100, (BENTOML, LITSERVE): 8},
    LOGISTIC: {(FASTAPI,): 1, (MLFLOW,): 40, (BENTOML, LITSERVE): 8},
    MOVIES: {(FASTAPI,): 0.5},
}
_RATE, _P99, _OPEN_P99 = "requests a second", "p99, ms", "p99, ms"
_VERSIONS = ("fastapi", "uvicorn", "uvloop", "httptools", "orjson", "scikit-learn")


def tables(measured: Measured) -> list[Table]:
    found = [_speed(measured, model) for model in _TITLES if _line(measured, ON, model)]
    return [*found, _open_loop(measured), _footprints(measured)]


def targets(measured: Measured) -> list[Target]:
    """What was promised before anything was measured."""
    found: list[Target] = []
    for model, times in _TIMES.items():
        us = _line(measured, ON, model)
        if us is None:
            continue
        for peers, at_least in times.items():
            best = max(_median(measured, name, model) for name in peers)
            found.append(_times(f"{model}, times {' or '.join(peers)}", us, best, at_least))
        found.append(Target(name=f"{model}, p99", measured=_p99(us).median, below=20, unit=" ms"))
        if us.open is not None:
            name = f"{model}, open loop at half the rate, p99"
            found.append(Target(name=name, measured=us.open["p99"], below=8, unit=" ms"))
    failed = sum(one.failed for line in measured.lines if line.line.name == ON for one in line.rounds)
    return [*found, Target(name="requests of ours that failed", measured=failed, below=1)]


def notes(measured: Measured) -> list[str]:
    said = [
        f"{CONNECTIONS} connections of wrk, medians of the rounds (and their range). Servers are stopped out of turn. "
        "Every answer is the model's own, asked without a server; checked before the load and after it."
    ]
    if measured.apart:
        said.append("Each server has one core with all its processes, who asks it has another.")
    return [*said, *(f"Not measured, since it was answered 404: {line}" for line in measured.absent)]


def details(measured: Measured) -> dict[str, Any]:
    program = subprocess.run([wrk(), "-v"], capture_output=True, text=True, check=False)
    return {
        "versions": {
            "wrk": program.stdout.partition("[")[0].strip(),
            "ours": {name: version(name) for name in _VERSIONS},
            **{name: pinned(name) for name in ("mlserver", "bentoml", "litserve")},
        },
        "rounds": [
            {
                "line": line.line.name,
                "model": line.line.model,
                "rounds": [one.model_dump() for one in line.rounds],
                "cpu_ms_a_request": line.cpu,
                "open_loop": line.open,
            }
            for line in measured.lines
        ],
    }


def _speed(measured: Measured, model: str) -> Table:
    us = _line(measured, ON, model)
    assert us is not None
    rows: list[list[Cell]] = []
    for line in (one for one in measured.lines if one.line.model in (model, NO_MODEL)):
        p50 = Spread.of(one.p50 for one in line.rounds)
        rows.append(
            [line.line.name, _rate(line), ratio(_rate(us), _rate(line)), p50.median, _p99(line),
             Spread.of(line.cpu).median, sum(one.failed for one in line.rounds)]
        )  # fmt: skip
    columns = ["server", _RATE, "ours / it", "p50, ms", _P99, "processor, ms", "failed"]
    return Table(title=_TITLES[model], columns=columns, rows=rows)


def _open_loop(measured: Measured) -> Table:
    rows: list[list[Cell]] = [
        [f"{line.line.name}, {line.line.model}", asked["asked"], asked["p50"], asked["p99"], asked["highest"],
         asked["failed"], asked["late_p99"], asked["busy"]]
        for line in measured.lines if (asked := line.open)
    ]  # fmt: skip
    columns = [
        "server",
        "asked a second",
        "p50, ms",
        _OPEN_P99,
        "highest, ms",
        "failed",
        "sent late, p99, ms",
        "sender's core",
    ]
    return Table(title="Open loop at half of that rate, from when a request was due", columns=columns, rows=rows)


def _footprints(measured: Measured) -> Table:
    rows: list[list[Cell]] = [
        [f"{one.side.name}, {one.side.model}", one.start, one.idle, one.footprint.processes, one.footprint.pss,
         one.footprint.rss]
        for one in measured.sides if one.footprint
    ]  # fmt: skip
    columns = ["server", "first answer, s", "core while idle", "processes", "memory (PSS), MiB", "RSS, MiB"]
    return Table(title="Start and memory after the load", columns=columns, rows=rows)


def _line(measured: Measured, name: str, model: str) -> MeasuredLine | None:
    return next((one for one in measured.lines if (one.line.name, one.line.model) == (name, model)), None)


def _rate(line: MeasuredLine) -> Spread:
    return Spread.of(one.rate for one in line.rounds)


def _p99(line: MeasuredLine) -> Spread:
    return Spread.of(one.p99 for one in line.rounds)


def _median(measured: Measured, name: str, model: str) -> float:
    line = _line(measured, name, model) or _line(measured, name, NO_MODEL)
    return _rate(line).median if line else 0.0


def _times(name: str, us: MeasuredLine, peer: float, at_least: float) -> Target:
    return Target(name=name, measured=_rate(us).median / peer, at_least=at_least)
