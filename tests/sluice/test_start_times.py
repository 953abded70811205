"""When runs of a deployment with a rate may start."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sluice.documents import DocumentStore
from sluice.embedded_documents import EmbeddedDocuments
from sluice.start_times import take_start_time

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


@pytest.fixture
def documents(tmp_path: Path) -> Iterator[DocumentStore]:
    store = EmbeddedDocuments(str(tmp_path / "documents.db"))
    yield store
    store.close()


def test_the_first_starts_at_once_and_the_next_wait(documents: DocumentStore) -> None:
    """Three that come together at two a minute: now, in 30 s, in 60 s."""
    starts = [take_start_time(documents, "train/tides", 30, NOON) for _ in range(3)]
    assert starts == [NOON, NOON + timedelta(seconds=30), NOON + timedelta(seconds=60)]


def test_what_was_not_used_is_not_saved_up(documents: DocumentStore) -> None:
    """After an hour without a run two still do not start together."""
    take_start_time(documents, "train/tides", 30, NOON)
    later = NOON + timedelta(hours=1)
    starts = [take_start_time(documents, "train/tides", 30, later) for _ in range(2)]
    assert starts == [later, later + timedelta(seconds=30)]


def test_deployments_do_not_wait_for_each_other(documents: DocumentStore) -> None:
    """Each has a rate of its own."""
    assert take_start_time(documents, "train/tides", 30, NOON) == NOON
    assert take_start_time(documents, "train/whales", 30, NOON) == NOON


def test_no_time_is_taken_twice(documents: DocumentStore) -> None:
    """Who comes at the same moment, the very first ones too, takes times that are as far apart as they must be."""
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: take_start_time(documents, "train/tides", 1 / 3, NOON), range(40)))
    apart = [later - earlier for earlier, later in zip(sorted(taken), sorted(taken)[1:], strict=False)]
    assert apart == [timedelta(milliseconds=334)] * 39  # a third of a second, and whole milliseconds
