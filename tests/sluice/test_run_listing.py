"""The table of runs: Prefect's, and where it ends those that it has forgotten."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sluice.documents import DocumentStore
from sluice.embedded_documents import EmbeddedDocuments
from sluice.errors import InputInvalidError, RunNotFoundError, ServiceUnavailableError
from sluice.forgotten_runs import RUNS, ForgottenRuns
from sluice.run_details import RunDetails
from sluice.run_filter import RunFilter
from sluice.run_listing import RunListing
from sluice.run_names import RunNames
from tests.fakes.prefect import START, FakePrefect, id_of


@pytest.fixture
def prefect() -> FakePrefect:
    return FakePrefect()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedDocuments]:
    documents = EmbeddedDocuments(str(tmp_path / "documents.db"))
    yield documents
    documents.close()


def listing(prefect: FakePrefect, store: DocumentStore) -> RunListing:
    client = prefect.client()
    return RunListing(client, RunNames(client, "http://prefect"), ForgottenRuns(client, lambda: store))


def archive(store: DocumentStore, number: int, seconds: float, **fields: Any) -> None:
    due = START + timedelta(seconds=seconds)
    document = {"id": id_of(number), "name": f"run-{number}", "flow": "pipeline", "deployment": "pipeline/movies"}
    state = {"use_case": "movies", "state": "Completed", "state_type": "COMPLETED", "parent": None}
    store.insert(RUNS, [{**document, **state, "created": due, "due": due, "parameters": {"k": 1}, **fields}])


def numbers(listing: RunListing, limit: int, wanted: RunFilter | None = None) -> list[list[int]]:
    """The runs of each page."""
    pages: list[list[int]] = []
    cursor: str | None = ""
    while cursor is not None:
        found = listing.page(wanted or RunFilter(), cursor, limit)
        pages.append([int(run.id.replace("-", ""), 16) for run in found.runs])
        cursor = found.next
    return pages


def test_newest_first_page_by_page(prefect: FakePrefect, store: EmbeddedDocuments) -> None:
    """Runs that are due at one time are in one order on all pages."""
    for number, seconds in ((1, 0), (4, 10), (3, 10), (5, 10), (2, 20)):
        prefect.run(number, seconds)
    assert numbers(listing(prefect, store), 2) == [[2, 5], [4, 3], [1]]


def test_a_page_costs_one_question(prefect: FakePrefect, store: EmbeddedDocuments) -> None:
    """However many runs there are; names are remembered."""
    for number in range(1, 500):
        prefect.run(number, number)
    table = listing(prefect, store)
    table.page(RunFilter(), limit=50)
    prefect.asked.clear()
    assert len(table.page(RunFilter(), limit=50).runs) == 50
    assert prefect.asked == ["/flow_runs/filter"]


def test_runs_to_come_are_left_out_unless_they_are_asked_for(prefect: FakePrefect, store: EmbeddedDocuments) -> None:
    """Prefect makes a schedule's runs of the next months; nobody wants to page through them."""
    prefect.run(1, (datetime.now(UTC) - START).total_seconds() - 60)
    prefect.run(2, (datetime.now(UTC) - START).total_seconds() + 3600, state="SCHEDULED")
    table = listing(prefect, store)
    assert numbers(table, 10) == [[1]]
    assert numbers(table, 10, RunFilter(states=("scheduled",))) == [[2]]
    assert numbers(table, 10, RunFilter(until=datetime.now(UTC) + timedelta(days=1))) == [[2, 1]]


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
def test_forgotten_runs_follow_where_prefect_ends(prefect: FakePrefect, store: EmbeddedDocuments, limit: int) -> None:
    """Each once: copies of runs that Prefect still has are passed over."""
    for number in (5, 6):
        prefect.run(number, number)
    for number in (1, 2, 3, 4, 5, 6):
        archive(store, number, 3 if number in {2, 3} else number)
    pages = numbers(listing(prefect, store), limit)
    assert [number for page in pages for number in page] == [6, 5, 4, 3, 2, 1]
    assert all(len(page) == limit for page in pages[:-1])


def test_forgotten_runs_are_filtered_too(prefect: FakePrefect, store: EmbeddedDocuments) -> None:
    """By use case, state by type or name, time and parent."""
    archive(store, 1, 1)
    archive(store, 2, 2, state="Failed", state_type="FAILED")
    archive(store, 3, 3, state="Expired", state_type="CANCELLED", parent=id_of(1))
    archive(store, 4, 4, use_case="diabetes", deployment="pipeline/diabetes")
    table = listing(prefect, store)
    assert numbers(table, 9, RunFilter(use_case="movies")) == [[3, 2, 1]]
    assert numbers(table, 9, RunFilter(states=("failed", "Expired"))) == [[3, 2]]
    assert numbers(table, 1, RunFilter(states=("failed", "Expired"))) == [[3], [2]]
    assert numbers(table, 9, RunFilter(since=START + timedelta(seconds=2), until=START + timedelta(seconds=3))) == [
        [3, 2]
    ]
    assert numbers(table, 9, RunFilter(parent=id_of(1))) == [[3]]
    assert numbers(table, 9, RunFilter(parent="none")) == [[4, 2, 1]]


def test_a_forgotten_run_is_read_from_its_copy(prefect: FakePrefect, store: EmbeddedDocuments) -> None:
    """It has what was copied, and no link to where it is no more."""
    archive(store, 1, 1)
    client = prefect.client()
    forgotten = ForgottenRuns(client, lambda: store)
    details = RunDetails(client, RunNames(client, "http://prefect"), forgotten)
    run = details.read(id_of(1))
    assert (run.state, run.parameters, run.links, run.due) == ("Completed", {"k": 1}, {}, START + timedelta(seconds=1))
    for unknown in (id_of(2), "no-id", "../flows/f1"):
        with pytest.raises(RunNotFoundError):
            details.read(unknown)


def test_without_the_document_store_prefects_runs_are_listed(prefect: FakePrefect) -> None:
    """What is there is shown."""
    prefect.run(1)

    def down() -> DocumentStore:
        raise ServiceUnavailableError(service="MongoDB", address="mongodb://127.0.0.1", hint="Start it.")

    client = prefect.client()
    table = RunListing(client, RunNames(client, ""), ForgottenRuns(client, down))
    assert numbers(table, 10) == [[1]]


def test_a_deployment_is_a_flow_and_a_use_case() -> None:
    """One that is not named so is refused; one of another flow than is asked for has no runs."""
    assert RunFilter.of("train/movies", None, None) == RunFilter(flow="train", use_case="movies")
    assert RunFilter.of("train/movies", "ingest", None) is None
    with pytest.raises(InputInvalidError, match="FLOW/USE_CASE"):
        RunFilter.of("movies", None, None)
