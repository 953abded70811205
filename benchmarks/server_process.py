"""A server under measurement: started, asked, weighed and stopped with all the processes it made."""

import http.client
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from pydantic import BaseModel, ConfigDict

from benchmarks import cores

START_SECONDS = 120.0
STOP_SECONDS = 10.0
# A server that takes less than this share of a core is at rest; LitServe never takes less than a tenth.
_AT_REST = 0.3
_LOOK_SECONDS = 0.3
REST_SECONDS = 10.0


class Footprint(BaseModel):
    """MiB of all the server's processes: ``pss`` counts a page that several share once, ``rss`` for each of them."""

    model_config = ConfigDict(frozen=True)

    processes: int
    rss: float
    pss: float


class ServerProcess:
    """Use it in a ``with`` block.

    Args:
        env: its whole environment.
        folder: its working directory.
        log: the file that gets what it prints.
        port: where it listens on this machine.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str], folder: Path, log: Path, port: int) -> None:
        self._command, self._log = command, log
        self.port = port
        self._begun = time.perf_counter()
        with log.open("w", encoding="utf-8") as output:
            self._process = subprocess.Popen(
                list(command), env=dict(env), cwd=folder, stdout=output, stderr=subprocess.STDOUT
            )
        cores.give(self._process.pid, cores.SERVER)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        # Some leave their children behind when they are ended; afterwards nobody knows whose they were.
        ours = self._tree()
        self.resume()
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        left = psutil.wait_procs(ours, timeout=1)[1]
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=STOP_SECONDS)
        self._process.wait()

    def until(self, ready: Callable[[], bool]) -> float:
        """Seconds from its start until ``ready`` said so.

        Raises:
            RuntimeError: it ended, or it was not within two minutes; with the end of its log.
        """
        while time.perf_counter() - self._begun < START_SECONDS and self._process.poll() is None:
            with suppress(OSError, http.client.HTTPException):
                if ready():
                    return time.perf_counter() - self._begun
            time.sleep(0.02)
        said = self._log.read_text(encoding="utf-8", errors="replace")[-3000:]
        raise RuntimeError(f"{' '.join(self._command)} did not give a right answer. It said:\n{said}")

    def pause(self) -> None:
        """Stop its processes, so that they take nothing from the server whose turn it is.

        Once they have come to rest: to BentoML, a request that was under way while it stood still took minutes, and
        it would wait as long for later ones to batch.
        """
        until, before = time.perf_counter() + REST_SECONDS, self.cpu_seconds()
        while time.perf_counter() < until:
            time.sleep(_LOOK_SECONDS)
            now = self.cpu_seconds()
            if now - before < _AT_REST * _LOOK_SECONDS:
                break
            before = now
        for process in self._tree():
            with suppress(psutil.Error):
                process.suspend()

    def resume(self) -> None:
        for process in self._tree():
            with suppress(psutil.Error):
                process.resume()

    def cpu_seconds(self) -> float:
        """Of all its processes since they began."""
        return sum(_of(process, lambda one: sum(one.cpu_times()[:2])) for process in self._tree())

    def footprint(self) -> Footprint:
        tree = self._tree()
        memory = [_of(process, lambda one: one.memory_info().rss) for process in tree]
        shared = [_of(process, lambda one: one.memory_full_info().pss) for process in tree]
        return Footprint(processes=len(tree), rss=sum(memory) / 2**20, pss=sum(shared) / 2**20)

    def _tree(self) -> list[psutil.Process]:
        try:
            root = psutil.Process(self._process.pid)
            return [root, *root.children(recursive=True)]
        except psutil.Error:
            return []


def _of(process: psutil.Process, measure: Callable[[psutil.Process], float]) -> float:
    try:
        return measure(process)
    except psutil.Error:
        return 0.0  # it has ended
