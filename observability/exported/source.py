"""A source of the exporter, looked at again and again in a thread of its own: one that hangs keeps nobody waiting."""

import time
from collections.abc import Iterable
from threading import Event, Thread
from typing import Protocol

from loguru import logger
from prometheus_client import CollectorRegistry, Counter, Gauge, Metric

from observability.exported.page import Page
from sluice.errors import SluiceError


class Source(Protocol):
    """Attributes:
    name: as the label ``source`` has it.
    seconds: between two looks.
    """

    name: str
    seconds: float

    def look(self) -> Iterable[Metric]:
        """What there is to tell now.

        Raises:
            Exception: any; what was told before stays, and ages.
        """
        ...


class Sources:
    """The threads, and when each source last answered: ``sluice_exporter_last_success_timestamp_seconds{source}``."""

    def __init__(self, page: Page, registry: CollectorRegistry) -> None:
        self._page = page
        self._ending = Event()
        self._threads: list[Thread] = []
        self._failing: set[str] = set()
        self._succeeded = Gauge(
            "sluice_exporter_last_success_timestamp_seconds",
            "When a look at the source last succeeded; when the exporter was started, until one does.",
            ("source",),
            registry=registry,
        )
        self._failures = Counter(
            "sluice_exporter_errors", "Looks at a source that failed.", ("source",), registry=registry
        )

    def expect(self, name: str) -> None:
        """A source exists: from now on its age is told."""
        self._succeeded.labels(name).set_to_current_time()
        self._failures.labels(name)

    def succeeded(self, name: str) -> None:
        self._succeeded.labels(name).set_to_current_time()

    def start(self, sources: Iterable[Source]) -> None:
        for source in sources:
            self.expect(source.name)
            thread = Thread(target=self._follow, args=(source,), name=source.name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self, seconds: float = 3.0) -> None:
        """Threads that wait for somebody's answer end with the process."""
        self._ending.set()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def once(self, source: Source) -> bool:
        """One look; whether it succeeded. An outage is one line of the log."""
        try:
            self._page.put(source.name, source.look())
        except Exception as error:
            self._failures.labels(source.name).inc()
            if source.name not in self._failing:
                known = isinstance(error, SluiceError)
                logger.opt(exception=None if known else error).warning("Nothing new of {}: {}", source.name, error)
            self._failing.add(source.name)
            return False
        self.succeeded(source.name)
        if source.name in self._failing:
            logger.info("{} is read again.", source.name)
        self._failing.discard(source.name)
        return True

    def _follow(self, source: Source) -> None:
        while not self._ending.is_set():
            self.once(source)
            self._ending.wait(source.seconds)
