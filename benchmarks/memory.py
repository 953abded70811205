"""Peak memory of some processes together, sampled while something runs."""

import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

import psutil

_SAMPLE_SECONDS = 0.05
_LOOK_SECONDS = 0.5


class PeakMemory:
    """The largest sum of resident memory (RSS) in a ``with`` block, in MiB. Pages that two share count twice.

    Args:
        processes: who counts; asked again every half second, since a flow run's process comes and goes.
    """

    def __init__(self, processes: Callable[[], Iterable[psutil.Process]]) -> None:
        self._processes = processes
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.first = 0.0
        self.peak = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        counted: list[psutil.Process] = []
        sample = 0
        while True:
            if sample % round(_LOOK_SECONDS / _SAMPLE_SECONDS) == 0:
                counted = list(self._processes())
            now = sum(map(_resident, counted)) / 2**20
            self.first = self.first or now
            self.peak = max(self.peak, now)
            sample += 1
            if self._over.wait(_SAMPLE_SECONDS):
                return


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0  # it has ended
