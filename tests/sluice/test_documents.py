"""One contract for every document store: embedded always, MongoDB where one is given."""

import contextlib
import os
import uuid
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest

from sluice.documents import DocumentStore
from sluice.embedded_documents import EmbeddedDocuments
from sluice.errors import DocumentDuplicateError, ServiceUnavailableError
from sluice.mongo_documents import MongoDocuments

MONGODB = os.environ.get("SLUICE_TEST_MONGODB_URI", "")
needs_mongodb = pytest.mark.skipif(
    not MONGODB,
    reason="set SLUICE_TEST_MONGODB_URI; '.ci/ferretdb start' starts a MongoDB-compatible server and prints it",
)
NOW = datetime(2026, 11, 21, 4, 30, 0, 123000, UTC)


def open_store(uri: str, database: str) -> DocumentStore:
    return MongoDocuments(uri, database) if uri.startswith("mongodb") else EmbeddedDocuments(uri)


@pytest.fixture(params=["embedded", pytest.param("mongodb", marks=needs_mongodb)])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    database = f"test_{uuid.uuid4().hex[:8]}"
    return (str(tmp_path / "documents.db") if request.param == "embedded" else MONGODB, database)


@pytest.fixture
def store(where: tuple[str, str]) -> Iterator[DocumentStore]:
    opened = open_store(*where)
    yield opened
    opened.close()


def test_documents_come_back_as_they_went_in(store: DocumentStore) -> None:
    """Nested values, Unicode and aware times to the millisecond; no id of the store's own."""
    document = {"name": "Amélie", "at": NOW, "numbers": [1, 2.5], "nested": {"deep": None, "when": NOW}, "yes": True}
    assert store.insert("things", [document]) == 1
    assert store.find("things") == [document]


def test_an_empty_collection_is_no_error(store: DocumentStore) -> None:
    """What nobody has written to yet is empty."""
    assert store.find("nothing") == []
    assert store.find_one("nothing", {"a": 1}) is None
    assert store.count("nothing") == 0
    assert store.insert("nothing", []) == 0


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({"n": 2}, [2]),
        ({"n": {"$gt": 2}}, [3, 4]),
        ({"n": {"$gte": 2, "$lt": 4}}, [2, 3]),
        ({"n": {"$lte": 1}}, [1]),
        ({"n": {"$ne": 2}}, [1, 3, 4]),
        ({"n": {"$in": [1, 4, 9]}}, [1, 4]),
        ({"even": True}, [2, 4]),
        ({"even": True, "n": {"$gt": 2}}, [4]),
        ({"at": {"$gt": NOW + timedelta(seconds=2)}}, [3, 4]),
        ({"at": NOW + timedelta(seconds=1)}, [1]),
        ({"gone": None}, [1, 2, 3, 4]),
    ],
)
def test_filters(store: DocumentStore, filter: dict[str, object], expected: list[int]) -> None:
    """Every operator of the port, on numbers, booleans and times."""
    store.insert("n", [{"n": n, "even": n % 2 == 0, "at": NOW + timedelta(seconds=n)} for n in (1, 2, 3, 4)])
    assert [found["n"] for found in store.find("n", filter, sort=[("n", 1)])] == expected
    assert store.count("n", filter) == len(expected)


def test_sort_and_limit(store: DocumentStore) -> None:
    """By several fields, each in its direction."""
    store.insert("n", [{"a": a, "b": b} for a in (1, 2) for b in (1, 2)])
    found = store.find("n", sort=[("a", -1), ("b", 1)], limit=3)
    assert [(one["a"], one["b"]) for one in found] == [(2, 1), (2, 2), (1, 1)]


def test_upsert_inserts_then_sets(store: DocumentStore) -> None:
    """The second call changes the fields that it names and keeps the others."""
    store.upsert("n", {"id": 1}, {"a": 1, "b": 1})
    store.upsert("n", {"id": 1}, {"b": 2})
    assert store.find("n") == [{"id": 1, "a": 1, "b": 2}]


def test_update_and_delete_say_how_many(store: DocumentStore) -> None:
    """All that match are changed or removed."""
    store.insert("n", [{"g": 1}, {"g": 1}, {"g": 2}])
    assert store.update("n", {"g": 1}, {"seen": True}) == 2
    assert store.count("n", {"seen": True}) == 2
    assert store.delete("n", {"g": 1}) == 2
    assert store.find("n") == [{"g": 2}]


def test_a_unique_key_is_kept(store: DocumentStore) -> None:
    """The second document with the key is refused, naming the collection; asking for the index twice is fine."""
    for _ in range(2):
        store.unique("n", ["model", "version"])
    store.insert("n", [{"model": "a", "version": "1"}, {"model": "a", "version": "2"}])
    with pytest.raises(DocumentDuplicateError, match="'n'"):
        store.insert("n", [{"model": "a", "version": "1"}])
    assert store.count("n") == 2


def _insert(uri: str, database: str, worker: int) -> int:
    store = open_store(uri, database)
    for n in range(25):
        store.insert("n", [{"worker": worker, "n": n}])
        store.upsert("counters", {"worker": worker}, {"n": n})
    store.close()
    return worker


def test_processes_write_at_once(where: tuple[str, str], store: DocumentStore) -> None:
    """Four processes lose nothing and none of them fails."""
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        list(pool.map(_insert, [where[0]] * 4, [where[1]] * 4, range(4)))
    assert store.count("n") == 100
    assert [one["n"] for one in store.find("counters")] == [24] * 4


def test_an_unreachable_server_is_one_clear_line() -> None:
    """Address and hint, in seconds, without the password."""
    store = MongoDocuments("mongodb://user:hunter2secret@127.0.0.1:9/", "db")
    with pytest.raises(ServiceUnavailableError) as error:
        store.ping()
    assert "127.0.0.1:9" in str(error.value)
    assert "SLUICE_DOCUMENTS__URI" in str(error.value)
    assert "hunter2secret" not in str(error.value) + repr(error.value)
    store.close()


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    """The embedded store names its file."""
    (tmp_path / "file").touch()
    store = EmbeddedDocuments(str(tmp_path / "file" / "documents.db"))
    with pytest.raises(ServiceUnavailableError, match=r"documents\.db"):
        store.insert("n", [{"a": 1}])


@pytest.mark.parametrize("name", ["order", "index", "select", "nothing", "values"])
def test_a_collection_may_have_any_plain_name(store: DocumentStore, name: str) -> None:
    """Words of SQL are names like others."""
    store.insert(name, [{"select": 1, "order": 2}])
    assert store.find(name, {"select": 1}, sort=[("order", 1)]) == [{"select": 1, "order": 2}]


@pytest.mark.parametrize("name", ["n; DROP TABLE n", 'n"', "n n", "n'--"])
def test_names_cannot_carry_sql(tmp_path: Path, name: str) -> None:
    """Collections are names and nothing else; a hostile field name finds nothing and harms nothing."""
    store = EmbeddedDocuments(str(tmp_path / "documents.db"))
    store.insert("n", [{"a": 1}])
    with pytest.raises(ValueError, match="must contain only"):
        store.insert(name, [{"a": 1}])
    with contextlib.suppress(ValueError, ServiceUnavailableError):
        assert store.find("n", {name: 1}) == []
    assert store.find("n") == [{"a": 1}]
    store.close()
