"""``python -m observability.exporter``: copies runs and tasks into the archive, and tells Prometheus of the platform.

A process of its own, and its composition root: it may import the kernel, and nothing imports it.
"""

import signal
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from threading import Event

from loguru import logger
from prometheus_client import CollectorRegistry, Counter, Gauge

from observability.exported.components import Components, questions
from observability.exported.deployments import Deployments
from observability.exported.feature_sets import FeatureSets
from observability.exported.findings import Monitored
from observability.exported.flow_runs import FlowRuns
from observability.exported.links import links, tell_links
from observability.exported.models import Models
from observability.exported.page import Page
from observability.exported.source import Source, Sources
from observability.exported.under_way import UnderWay
from observability.metrics import new_registry
from observability.metrics_page import metrics_page
from observability.process import configure_process
from sluice.archive import Archive, horizon
from sluice.archiving import Archiving
from sluice.documents import DocumentStore, open_documents
from sluice.errors import SettingsInvalidError, SluiceError
from sluice.runs import PrefectRuns
from sluice.settings import Settings

# Between two times that what is too old is removed.
_DROP_SECONDS = 3600.0
# Without a sign of work for this long, besides the pause between two looks, something hangs.
_HANGING_SECONDS = 120.0
_ARCHIVE = "archive"


class ArchiveMetrics:
    """What the page tells of the archive."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.runs = Counter(
            "sluice_archived_runs", "Runs written into the archive, or written anew.", registry=registry
        )
        self.tasks = Counter("sluice_archived_tasks", "Tasks, in the same way.", registry=registry)
        self.dropped = Counter("sluice_archive_dropped", "Documents removed for their age.", registry=registry)
        self.errors = Counter("sluice_archive_errors", "Looks that failed.", registry=registry)
        self.succeeded = Gauge(
            "sluice_archive_last_success_timestamp_seconds", "When a look last succeeded.", registry=registry
        )
        age = Gauge("sluice_archive_age_seconds", "Since a look last succeeded, or since the start.", registry=registry)
        self._since = time.time()
        age.set_function(lambda: time.time() - self._since)

    def success(self, runs: int, tasks: int) -> None:
        self.runs.inc(runs)
        self.tasks.inc(tasks)
        self._since = time.time()
        self.succeeded.set(self._since)


class Exporter:
    """Looks, again and again.

    Args:
        archiving: with `beat` as its progress.
    """

    def __init__(self, archive: Archive, metrics: ArchiveMetrics, settings: Settings) -> None:
        self._archive, self._metrics, self._settings = archive, metrics, settings
        self._beaten = time.monotonic()
        self._dropped: float | None = None
        self._failing = False

    def beat(self) -> None:
        """There is progress."""
        self._beaten = time.monotonic()

    def alive(self) -> bool:
        return time.monotonic() - self._beaten < self._settings.exporter.seconds + _HANGING_SECONDS

    def once(self, archiving: Archiving) -> bool:
        """One look; whether it succeeded. An outage is one line of the log, and the next look."""
        self.beat()
        try:
            looked = archiving.look()
            self._drop()
        except Exception as error:
            self._metrics.errors.inc()
            if not self._failing:
                known = isinstance(error, SluiceError)
                logger.opt(exception=None if known else error).warning(
                    "Runs are not copied into the archive: {}", error
                )
            self._failing = True
            return False
        self._metrics.success(looked.runs, looked.tasks)
        if self._failing:
            logger.info("Runs are copied into the archive again.")
        self._failing = False
        return True

    def _drop(self) -> None:
        if self._dropped is not None and time.monotonic() - self._dropped < _DROP_SECONDS:
            return
        days = self._settings.retention.runs_days
        number = self._archive.drop(horizon(datetime.now(UTC), days))
        self._dropped = time.monotonic()
        self._metrics.dropped.inc(number)
        if number:
            logger.info("{} documents of more than {:g} days were removed from the archive", number, days)


def main() -> None:
    """Until SIGTERM or Ctrl-C."""
    try:
        settings = Settings.load()
    except SettingsInvalidError as error:
        sys.exit(str(error))
    configure_process(settings, service="exporter")
    ending = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    registry = new_registry()
    page = Page()
    registry.register(page)
    tell_links(links(settings), registry)
    documents = open_documents(settings)
    archive = Archive(documents)
    exporter = Exporter(archive, ArchiveMetrics(registry), settings)
    sources = Sources(page, registry)
    components = Components(questions(settings, documents), registry)
    with ExitStack() as stack:
        host, port = settings.exporter.host, settings.exporter.port
        try:
            stack.enter_context(metrics_page(host, port, registry, exporter.alive))
        except OSError as error:
            sys.exit(f"The exporter cannot listen on {host}:{port}: {error}. Choose another: SLUICE_EXPORTER__PORT")
        prefect = stack.enter_context(PrefectRuns.of(settings.prefect))
        archiving = Archiving(prefect, archive, settings, exporter.beat)
        sources.expect(_ARCHIVE)
        sources.start(all_sources(settings, prefect, documents))
        components.start()
        stack.callback(sources.close)
        stack.callback(components.close)
        while not ending.is_set():
            if exporter.once(archiving):
                sources.succeeded(_ARCHIVE)
            ending.wait(settings.exporter.seconds)


def all_sources(settings: Settings, prefect: PrefectRuns, documents: DocumentStore) -> list[Source]:
    """Everything that is looked at beside the archive."""
    quick, slow = settings.exporter.seconds, settings.exporter.slow_seconds
    deployments = Deployments(prefect)
    return [
        FlowRuns(prefect, deployments, documents, quick),
        UnderWay(prefect, deployments, quick),
        Models(settings.mlflow, slow),
        FeatureSets(settings),
        Monitored(documents, slow),
    ]


if __name__ == "__main__":
    main()
