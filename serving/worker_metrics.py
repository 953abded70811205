"""The metrics of several worker processes of one machine, whichever of them is scraped.

Each writes its own to a file, and adds the others' to its answer, with a label that tells them apart. The client
library's multiprocess mode would add them up, but knows no gauge that is a function, and nothing of the processes.
"""

import fcntl
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import time

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from observability.metrics import exposition
from serving.trouble import Trouble

LABEL = "worker"
WRITE_SECONDS = 1.0
# A worker that has not written for so long has ended.
GONE_SECONDS = 10.0


class WorkerMetrics:
    """This process's metrics, and those of its siblings where there are several workers.

    Args:
        folder: of the workers of one service; each takes the first number that is free in it.
    """

    def __init__(self, registry: CollectorRegistry, folder: Path, workers: int) -> None:
        self._registry, self._folder, self._workers = registry, folder, workers
        self._trouble = Trouble("A worker's metrics cannot be written", "The other workers do not tell of it.")
        self._closing = threading.Event()
        self._number: int | None = None
        self._lock: int | None = None
        self._thread = threading.Thread(target=self._write_all, name="worker metrics", daemon=True)

    def start(self) -> None:
        if self._workers > 1:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._take_number()
            self._thread.start()

    def close(self) -> None:
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._lock is not None:
            os.close(self._lock)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """As `observability.metrics.exposition`; with many workers it reads for a while, so not on the event loop."""
        if self._number is None:
            return exposition(self._registry, accept)
        together = CollectorRegistry()
        together.register(_Together(self._registry, self._number, self._siblings()))
        return exposition(together, accept)

    def _take_number(self) -> None:
        for number in range(self._workers * 2):  # while one restarts there is one more
            lock = os.open(self._folder / f"{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
            else:
                self._number, self._lock = number, lock
                return

    def _write_all(self) -> None:
        while self._number is not None:
            path = self._folder / f"{self._number}.prom"
            partial = path.with_suffix(".part")
            try:
                partial.write_bytes(generate_latest(self._registry))
                os.replace(partial, path)
                self._trouble.is_over()
            except OSError as error:
                self._trouble.goes_on(error)
            if self._closing.wait(WRITE_SECONDS):
                path.unlink(missing_ok=True)
                return

    def _siblings(self) -> Iterator[tuple[int, str]]:
        for path in sorted(self._folder.glob("*.prom")):
            if path.stem.isdigit() and int(path.stem) != self._number:
                try:
                    if path.stat().st_mtime > time() - GONE_SECONDS:
                        yield int(path.stem), path.read_text()
                except FileNotFoundError:
                    continue


class _Together(Collector):
    def __init__(self, registry: CollectorRegistry, number: int, siblings: Iterable[tuple[int, str]]) -> None:
        self._registry, self._number, self._siblings = registry, number, tuple(siblings)

    def collect(self) -> Iterable[Metric]:
        found: dict[str, Metric] = {}
        self._add(found, self._number, self._registry.collect())
        for number, text in self._siblings:
            self._add(found, number, text_string_to_metric_families(text))
        return found.values()

    @staticmethod
    def _add(found: dict[str, Metric], number: int, families: Iterable[Metric]) -> None:
        for family in families:
            metric = found.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            for sample in family.samples:
                metric.samples.append(sample._replace(labels={**sample.labels, LABEL: str(number)}))
