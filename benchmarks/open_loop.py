"""Requests at a rate that does not wait for answers, by a process of its own (a `benchmarks.peer.Peer`).

They come as from many independent callers (exponential gaps), and a latency begins when the request was due, not when
it could be sent: what waits behind a slow answer counts (https://github.com/giltene/wrk2, coordinated omission).

One thread, plain sockets and select, which unlike asyncio's loops waits less than a millisecond where it has to.
"""

import random
import select
import socket
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.peer import serve
from benchmarks.raw_request import read_requests

HEADERS_END = b"\r\n\r\n"
LENGTH = b"content-length:"
# A server this far behind will not catch up; what was not answered counts as failed.
PATIENCE_SECONDS = 10.0


@dataclass(eq=False)
class Connection:
    """One request at a time; ``due`` is when the one under way should have been sent."""

    socket: socket.socket
    due: float = 0.0
    received: bytearray = field(default_factory=bytearray)

    def fileno(self) -> int:
        return self.socket.fileno()

    def send(self, request: bytes, due: float) -> None:
        self.due = due
        self.received.clear()
        self.socket.sendall(request)

    def status(self) -> int | None:
        """The answer's, once all of it is here.

        Raises:
            ConnectionError: the server hung up.
        """
        chunk = self.socket.recv(65536)
        if not chunk:
            raise ConnectionError("the server closed the connection within an answer")
        self.received += chunk
        head, end, body = self.received.partition(HEADERS_END)
        if not end:
            return None
        length = head.lower().partition(LENGTH)[2].partition(b"\r\n")[0]
        return int(head[9:12]) if len(body) >= int(length) else None


def open_loop(
    port: int, requests: str, rate: float, seconds: float, connections: int = 32, seed: int = 0
) -> dict[str, Any]:
    """Ask ``rate`` requests a second of a file (`benchmarks.raw_request`).

    Returns:
        rate: answered a second; p50, p99, highest: milliseconds from when they were due; failed: other status than
        200, or never answered; late_p99: milliseconds by which the generator itself missed a due time although a
        connection was free; busy: its share of a core.

    Raises:
        ConnectionError: the server hung up.
    """
    with ExitStack() as opened:
        free = [Connection(opened.enter_context(_socket(port))) for _ in range(connections)]
        return _Generator(free, read_requests(Path(requests))).run(_due(rate, seconds, seed))


def _due(rate: float, seconds: float, seed: int) -> deque[float]:
    chance = random.Random(seed)
    times, now = deque[float](), chance.expovariate(rate)
    while now < seconds:
        times.append(now)
        now += chance.expovariate(rate)
    return times


class _Generator:
    def __init__(self, free: list[Connection], requests: list[bytes]) -> None:
        self._requests = requests
        # In turn: servers close a connection that nobody has used for some seconds.
        self._free = deque(free)
        self._asked: set[Connection] = set()
        self._sent = 0
        self._latencies: list[float] = []
        self._late: list[float] = []
        self._bad = 0

    def run(self, due: deque[float]) -> dict[str, Any]:
        count, begun, worked = len(due), time.perf_counter(), time.process_time()
        end = begun + due[-1] + PATIENCE_SECONDS
        freed = 0.0  # when the last connection came free that somebody waited for
        while (due or self._asked) and (now := time.perf_counter()) < end:
            while due and self._free and begun + due[0] <= now:
                moment = begun + due.popleft()
                self._late.append(now - max(moment, freed))
                self._send(moment)
            wait = max(0.0, begun + due[0] - time.perf_counter()) if due and self._free else 1.0
            waited_for = not self._free
            readable, _, _ = select.select(self._asked, (), (), wait)
            for connection in readable:
                self._receive(connection)
            if waited_for and self._free:
                freed = time.perf_counter()
        took = time.perf_counter() - begun
        busy = (time.process_time() - worked) / took
        return {
            "rate": len(self._latencies) / took,
            "p50": _percentile(self._latencies, 50),
            "p99": _percentile(self._latencies, 99),
            "highest": _percentile(self._latencies, 100),
            "failed": count - len(self._latencies) + self._bad,
            "late_p99": _percentile(self._late, 99),
            "busy": busy,
        }

    def _send(self, due: float) -> None:
        connection = self._free.popleft()
        connection.send(self._requests[self._sent % len(self._requests)], due)
        self._asked.add(connection)
        self._sent += 1

    def _receive(self, connection: Connection) -> None:
        status = connection.status()
        if status is None:
            return
        self._latencies.append(time.perf_counter() - connection.due)
        self._bad += status != 200
        self._asked.remove(connection)
        self._free.append(connection)


def _socket(port: int) -> socket.socket:
    opened = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened


def _percentile(seconds: list[float], percent: float) -> float:
    """Milliseconds, nearest rank; none of an empty list."""
    ordered = sorted(seconds)
    return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else float("nan")


if __name__ == "__main__":
    serve(open_loop)
