"""The metrics of several workers: each writes its own, and the one that is asked tells of all."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter

from serving import worker_metrics
from serving.worker_metrics import WorkerMetrics
from tests.serving.fakes import eventually


def worker(folder: Path) -> WorkerMetrics:
    """One that has counted something once."""
    registry = CollectorRegistry()
    Counter("seen", "Something.", registry=registry).inc()
    return WorkerMetrics(registry, folder, 2)


def test_a_disk_that_is_full_for_a_while_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker writes again when it can, and is among the others' then."""
    monkeypatch.setattr(worker_metrics, "WRITE_SECONDS", 0.01)
    first, second = worker(tmp_path), worker(tmp_path)
    (tmp_path / "1.part").mkdir()
    for one in (first, second):
        one.start()
    try:
        eventually(lambda: (tmp_path / "0.prom").exists())
        assert b'seen_total{worker="1"}' not in first.exposition("")[0]
        (tmp_path / "1.part").rmdir()
        eventually(lambda: b'seen_total{worker="1"} 1.0' in first.exposition("")[0])
    finally:
        for one in (first, second):
            one.close()
