"""The exporter: what its page tells, and how it takes outages."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from loguru import logger

from observability.exporter import ArchiveMetrics, Exporter
from observability.metrics import new_registry
from observability.metrics_page import metrics_page
from sluice.archiving import Looked
from sluice.errors import ServiceUnavailableError
from sluice.settings import Settings
from tests.conftest import Stack


class FakeArchiving:
    """Looks that give, or raise, what they are told to."""

    def __init__(self, *outcomes: Looked | Exception) -> None:
        self.outcomes = list(outcomes)

    def look(self) -> Looked:
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class FakeArchive:
    def __init__(self) -> None:
        self.dropped = 0

    def drop(self, before: object) -> int:
        self.dropped += 1
        return 3


@contextmanager
def exporting(archive: Any) -> Iterator[tuple[Exporter, httpx.Client]]:
    registry = new_registry()
    exporter = Exporter(archive, ArchiveMetrics(registry), Settings())
    with (
        metrics_page("127.0.0.1", 0, registry, exporter.alive) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        yield exporter, client


def values(client: httpx.Client) -> dict[str, float]:
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith("sluice_")]
    return {name: float(value) for name, value in (line.split() for line in lines) if "created" not in name}


def test_the_page_counts_what_was_copied() -> None:
    """Zeros before the first look, then runs, tasks and what was removed, which is looked for once an hour."""
    archive = FakeArchive()
    archiving: Any = FakeArchiving(Looked(2, 9), Looked(1, 4))
    with exporting(archive) as (exporter, client):
        assert values(client)["sluice_archive_errors_total"] == 0
        assert values(client)["sluice_archived_runs_total"] == 0
        for _ in range(2):
            exporter.once(archiving)
        found = values(client)
    assert (found["sluice_archived_runs_total"], found["sluice_archived_tasks_total"]) == (3, 13)
    assert (found["sluice_archive_dropped_total"], archive.dropped) == (3, 1)
    assert 0 <= found["sluice_archive_age_seconds"] < 60
    assert time.time() - found["sluice_archive_last_success_timestamp_seconds"] < 60


def test_an_outage_is_one_line_and_no_end() -> None:
    """Counted each time; the next look that succeeds is told too. A mistake of ours is logged with its stack."""
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    outage = ServiceUnavailableError(service="Prefect", address="there", hint="")
    archiving: Any = FakeArchiving(outage, outage, Looked(), KeyError("id"), Looked())
    with exporting(FakeArchive()) as (exporter, client):
        for _ in range(5):
            exporter.once(archiving)
        assert values(client)["sluice_archive_errors_total"] == 3
    logger.remove(sink)
    told = [line for line in lines if "copied into the archive" in line]
    assert len(told) == 4
    assert ["Traceback" in line for line in told] == [False, False, True, False]


def test_a_process_that_hangs_is_not_alive() -> None:
    """Whoever restarts it sees that by /livez; an outage alone is no reason."""
    with exporting(FakeArchive()) as (exporter, client):
        assert client.get("/livez").status_code == 200
        exporter._beaten -= 1_000
        assert client.get("/livez").status_code == 503
        exporter.beat()
        assert client.get("/livez").status_code == 200


@pytest.mark.parametrize(("path", "status"), [("/metrics?x=1", 200), ("/", 404), ("/metrics/x", 404)])
def test_there_are_two_pages(path: str, status: int) -> None:
    """Anything else is not there."""
    with exporting(FakeArchive()) as (_, client):
        assert client.get(path).status_code == status


@pytest.mark.integration
def test_the_stacks_exporter_is_at_work(stack: Stack) -> None:
    """It has looked, without an error, and is one of the services that status shows."""
    text = httpx.get(f"{stack.record.exporter_url}/metrics", trust_env=False).text
    found = {line.split()[0]: float(line.split()[1]) for line in text.splitlines() if line.startswith("sluice_archive")}
    assert found["sluice_archive_last_success_timestamp_seconds"] > 0
    assert found["sluice_archive_age_seconds"] < 60
    assert "exporter" in stack.sluice("status").stdout
