"""All servers up, asked in turn, round after round, so that a busy minute of the machine disturbs each of them.

Out of turn their processes are stopped (SIGSTOP): some take a tenth of a core while nobody asks.
"""

import http.client
import json
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bench import Bench
from benchmarks.closed_loop import ClosedLoop, closed_loop
from benchmarks.cores import divided
from benchmarks.peer import Peer
from benchmarks.raw_request import write_requests
from benchmarks.server_process import Footprint, ServerProcess
from benchmarks.serving_side import Line, Side

IDLE_SECONDS = 1.0


@dataclass(frozen=True)
class Plan:
    """Seconds, of a round, of what comes before it and is not counted, and of the open loop.

    Attributes:
        common_rate: the open loop asks all sides of a model at half the rate of the slowest, not each at half its own.
    """

    rounds: int
    seconds: int
    warm: int
    open_seconds: int
    common_rate: bool = False


@dataclass
class MeasuredLine:
    """``cpu`` is the server's processor time of a request in each round, in milliseconds."""

    line: Line
    server: ServerProcess
    requests: Path
    rounds: list[ClosedLoop] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    open: dict[str, Any] | None = None


@dataclass
class MeasuredSide:
    """``start`` is seconds to the first answer, ``idle`` its share of a core then, ``footprint`` after all rounds."""

    side: Side
    server: ServerProcess
    start: float
    idle: float
    footprint: Footprint | None = None


@dataclass
class Measured:
    """``absent`` is what was answered 404, ``apart`` whether servers had a core of their own."""

    sides: list[MeasuredSide] = field(default_factory=list)
    lines: list[MeasuredLine] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    apart: bool = False


def measure(bench: Bench, sides: Sequence[Side], folder: Path, plan: Plan, env: dict[str, str]) -> Measured:
    """Every line of every side. All servers stay up from their start to the end.

    Raises:
        RuntimeError: a server did not start, or gave another answer than scikit-learn.
    """
    measured = Measured()
    with ExitStack() as up:
        measured.apart = up.enter_context(divided())
        for side in sides:
            _start(bench, up, side, folder, measured)
        bench.say(f"All {len(measured.sides)} servers are up")
        for number in range(1, plan.rounds + 1):
            for line in measured.lines:
                _round(line, plan)
            bench.say(f"Round {number}/{plan.rounds}: " + _rates(measured.lines))
        for known in measured.sides:
            known.footprint = known.server.footprint()
        generator = up.enter_context(Peer("benchmarks.open_loop", env, folder / "open_loop.log"))
        for line in filter(lambda one: one.line.open, measured.lines):
            alike = [one for one in measured.lines if one.line.model == line.line.model] if plan.common_rate else [line]
            line.open = _open_loop(line, generator, plan, min(map(_rate, alike)) / 2)
        for line in measured.lines:
            with turn(line.server):
                compare(line.server.port, line.line)  # still, after the load
    return measured


@contextmanager
def turn(server: ServerProcess) -> Iterator[None]:
    server.resume()
    try:
        yield
    finally:
        server.pause()


def _start(bench: Bench, up: ExitStack, side: Side, folder: Path, measured: Measured) -> None:
    log = folder / f"{side.name}-{side.model}.log".replace(" ", "-")
    server = up.enter_context(ServerProcess(side.command, side.env, side.folder, log, side.port))
    first, *others = side.lines
    seconds = server.until(lambda: status(side.port, first.requests[0]) == 200)
    compare(side.port, first)
    answered = [first]
    for line in others:
        if status(side.port, line.requests[0]) == 404:
            measured.absent.append(f"{line.name}, {line.model}")
            continue
        compare(side.port, line)
        answered.append(line)
    for line in answered:
        file = folder / f"requests-{len(measured.lines)}"
        write_requests(line.requests, file)
        measured.lines.append(MeasuredLine(line, server, file))
    before = server.cpu_seconds()
    time.sleep(IDLE_SECONDS)
    idle = (server.cpu_seconds() - before) / IDLE_SECONDS
    server.pause()
    measured.sides.append(MeasuredSide(side, server, seconds, idle))
    bench.say(f"{side.name} ({side.model}) gave its first answer after {seconds:.1f} s")


def status(port: int, request: bytes) -> int:
    return next(_answers(port, [request]))[0]


def compare(port: int, line: Line) -> None:
    """Ask each request of a line once.

    Raises:
        RuntimeError: an answer is not scikit-learn's, or not one at all.
    """
    for number, (code, body) in enumerate(_answers(port, line.requests)):
        said: Any = body[:500]
        if code == 200 and line.label is None:
            continue
        if code == 200 and line.label is not None:
            said = line.label(json.loads(body))
            if said == line.expected[number]:
                continue
        expected = f", and not {line.expected[number]}" if line.expected else ""
        raise RuntimeError(f"{line.name} ({line.model}) answered row {number} with status {code}: {said!r}{expected}")


def _answers(port: int, requests: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """A connection for each: some servers close it after an error."""
    for request in requests:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(request)
            response = http.client.HTTPResponse(connection)
            response.begin()
            yield response.status, response.read()


def _round(line: MeasuredLine, plan: Plan) -> None:
    with turn(line.server):
        closed_loop(line.server.port, line.requests, plan.warm)
        before = line.server.cpu_seconds()
        done = closed_loop(line.server.port, line.requests, plan.seconds)
        line.rounds.append(done)
        line.cpu.append(1000 * (line.server.cpu_seconds() - before) / max(done.rate * plan.seconds, 1))


def _rate(line: MeasuredLine) -> float:
    return median(one.rate for one in line.rounds)


def _open_loop(line: MeasuredLine, generator: Peer, plan: Plan, rate: float) -> dict[str, Any]:
    asked = {"port": line.server.port, "requests": str(line.requests), "rate": rate}
    with turn(line.server):
        generator.ask(**asked, seconds=plan.warm)
        return {"asked": rate, **generator.ask(**asked, seconds=plan.open_seconds)}


def _rates(lines: Sequence[MeasuredLine]) -> str:
    return ", ".join(f"{line.line.name} ({line.line.model}) {line.rounds[-1].rate:,.0f}/s" for line in lines)
