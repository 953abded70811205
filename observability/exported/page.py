"""The exporter's own part of `/metrics`: what each source said last, as whole families."""

from collections.abc import Iterable, Iterator
from threading import Lock

from prometheus_client import Metric
from prometheus_client.registry import Collector


class Page(Collector):
    """Threads may share it. What a source no longer tells, a deleted deployment's for one, is gone with the next put.

    It holds families and not the client library's own counters: those begin at zero when the process does, and
    what is counted here goes on where the last process was.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._told: dict[str, tuple[Metric, ...]] = {}

    def put(self, source: str, families: Iterable[Metric]) -> None:
        """In place of what the source told before. Two sources may not tell of one name."""
        made = tuple(families)
        with self._lock:
            self._told[source] = made

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            told = list(self._told.values())
        for families in told:
            yield from families

    def describe(self) -> list[Metric]:
        """Nothing is known before the first look."""
        return []
