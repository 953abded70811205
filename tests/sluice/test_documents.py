"""One contract for every document store: the embedded one, and MongoDB over its wire protocol."""

import contextlib
import math
import os
import signal
import uuid
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from multiprocessing import get_context
from pathlib import Path

import pymongo
import pytest
from bson import Int64
from pymongo.errors import PyMongoError

from sluice import document_json
from sluice.documents import Document, DocumentStore
from sluice.embedded_documents import EmbeddedDocuments
from sluice.errors import (
    DocumentDuplicateError,
    DocumentRefusedError,
    ServiceRefusedError,
    ServiceUnavailableError,
    SettingsInvalidError,
)
from sluice.mongo_documents import MongoDocuments
from tests.mongodb import secantusdb, wire_server

NOW = datetime(2026, 11, 21, 4, 30, 0, 123000, UTC)


DOCUMENT: Document = {
    "name": 'Amélie\'s "$"',
    "at": NOW,
    "numbers": [1, 2.5, 2**53 + 1],
    "nested": {"deep": None, "when": NOW, "ndcg@10": 0.5, "list": [{"when": NOW}]},
    "yes": True,
    "no": False,
    "one": 1,
    "nothing": None,
    "empty": {},
}


def open_store(uri: str, database: str) -> DocumentStore:
    return MongoDocuments(uri, database) if uri.startswith("mongodb") else EmbeddedDocuments(uri)


@pytest.fixture(scope="session")
def mongodb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with wire_server(tmp_path_factory.mktemp("mongodb")) as uri:
        yield uri


@pytest.fixture(params=["embedded", "mongodb"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    uri = str(tmp_path / "documents.db") if request.param == "embedded" else request.getfixturevalue("mongodb")
    return uri, f"test_{uuid.uuid4().hex[:8]}"


@pytest.fixture
def store(where: tuple[str, str]) -> Iterator[DocumentStore]:
    opened = open_store(*where)
    yield opened
    opened.close()


def assert_same(found: list[Document], expected: list[Document]) -> None:
    """Equal, and of the same types: for Python, True is 1."""
    assert found == expected
    assert [_types(one) for one in found] == [_types(one) for one in expected]
    assert all(one["at"].tzinfo is not None for one in found)


def _types(value: object) -> object:
    if isinstance(value, dict):
        return {key: _types(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_types(item) for item in value]
    return int if type(value) is Int64 else type(value)  # what pymongo makes of an integer beyond 32 bits


def test_documents_come_back_as_they_went_in(store: DocumentStore) -> None:
    """Nested values, Unicode and aware times to the millisecond; no id of the store's own."""
    assert store.insert("things", [DOCUMENT]) == 1
    assert_same(store.find("things"), [DOCUMENT])


def test_what_is_set_comes_back_as_it_went_in(store: DocumentStore) -> None:
    """Updating and upserting keep types as inserting does: a time stays a time, True stays True."""
    store.insert("updated", [{"id": 1}])
    store.update("updated", {"id": 1}, DOCUMENT)
    store.upsert("inserted", {"id": 1}, DOCUMENT)
    store.upsert("replaced", {"id": 1}, {"at": None, "yes": "?"})
    store.upsert("replaced", {"id": 1}, DOCUMENT)
    for collection in ("updated", "inserted", "replaced"):
        assert_same(store.find(collection), [{"id": 1, **DOCUMENT}])
        assert store.count(collection, {"at": {"$gte": NOW, "$lt": NOW + timedelta(seconds=1)}}) == 1
        assert store.count(collection, {"yes": True, "no": False}) == 1


def test_encoded_documents_come_back_as_they_went_in(store: DocumentStore) -> None:
    """Each once: sent again, alone or among new ones, it is left out; what is found has its types."""
    store.unique("n", ["id"])
    documents = [{"id": f"{number:03}", **DOCUMENT} for number in range(300)]
    encoded = [document_json.encode(document).encode() for document in documents]
    assert store.insert_encoded("n", encoded[:200]) == 200
    assert store.insert_encoded("n", encoded[100:]) == 100
    assert store.insert_encoded("n", encoded) == 0
    assert store.insert_encoded("n", []) == 0
    assert_same(store.find("n", sort=[("id", 1)]), documents)
    assert store.count("n", {"id": {"$gte": "100", "$lt": "1001"}, "at": NOW}) == 1


def test_an_encoded_document_that_is_none_is_told_from_an_outage(store: DocumentStore) -> None:
    """Who sends it must not try it again for ever."""
    with pytest.raises(DocumentRefusedError, match="'n'"):
        store.insert_encoded("n", [b'{"id": "a"}', b'{"id": '])


def test_integers_beyond_64_bits_keep_their_digits(store: DocumentStore) -> None:
    """As numbers where the store has such, else as text."""
    store.insert_encoded("n", [b'{"id": "a", "hash": 18446744073709551615, "id64": -9223372036854775808}'])
    (found,) = store.find("n")
    assert str(found["hash"]) == "18446744073709551615"
    assert found["id64"] == -(2**63)


def test_times_are_kept_in_milliseconds(store: DocumentStore) -> None:
    """What is finer is cut off, in documents and in filters alike; a zone becomes UTC."""
    fine = (NOW + timedelta(microseconds=456)).astimezone(timezone(timedelta(hours=2)))
    store.insert("n", [{"at": fine}])
    assert store.find("n", {"at": fine}) == [{"at": NOW}]


def needs(where: tuple[str, str], document: Document) -> None:
    """Skip where the server itself refuses such a document, as FerretDB v1 says of itself; the embedded store never."""
    uri, database = where
    if not uri.startswith("mongodb"):
        return
    with pymongo.MongoClient[Document](uri) as client:
        try:
            client[database]["probe"].insert_one(dict(document))
        except PyMongoError as error:
            pytest.skip(f"this server refuses {document}: {error}")


def test_metrics_that_are_no_number_come_back(where: tuple[str, str], store: DocumentStore) -> None:
    """An undefined metric does not keep a promotion from being written down."""
    document = {"auc": math.nan, "loss": math.inf}
    needs(where, document)
    store.insert("n", [document])
    (found,) = store.find("n")
    assert math.isnan(found["auc"])
    assert found["loss"] == math.inf


def test_data_of_clients_may_have_any_keys(where: tuple[str, str], store: DocumentStore) -> None:
    """At any depth but the first; also keys that look like an encoded time."""
    sent = {"row": {"a.b": 1, "$date": "no time", "$$x": 1, "$numberDouble": "?"}}
    needs(where, sent)
    store.insert("n", [sent])
    assert store.find("n") == [sent]


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
        ({"gone": {"$ne": 1}}, [1, 2, 3, 4]),
        ({"gone": {"$in": [None, 1]}}, [1, 2, 3, 4]),
        ({"n": {"$in": []}}, []),
        ({"at": {"$in": [NOW + timedelta(seconds=2), NOW]}}, [2]),
        ({"at": {"$ne": NOW + timedelta(seconds=2)}}, [1, 3, 4]),
        ({"n": 2.0}, [2]),
        ({"even": 1}, []),  # True is no number
        ({"n": {"$lt": "5"}}, []),  # numbers and text do not compare
        ({"s": {"$gt": "b"}}, [3, 4]),
        ({"s": 'it\'s "2"'}, []),
        ({"deep.s": "b"}, [2]),
        ({"deep.at": {"$lt": NOW + timedelta(seconds=2)}}, [1]),
    ],
)
def test_filters(store: DocumentStore, filter: dict[str, object], expected: list[int]) -> None:
    """Every operator of the port, on numbers, booleans and times."""
    for n, letter in enumerate("abcd", 1):
        fields = {"at": NOW + timedelta(seconds=n), "s": letter}
        store.insert("n", [{"n": n, "even": n % 2 == 0, **fields, "deep": fields}])
    assert [found["n"] for found in store.find("n", filter, sort=[("n", 1)])] == expected
    assert store.count("n", filter) == len(expected)


def test_sort_and_limit(store: DocumentStore) -> None:
    """By several fields, each in its direction."""
    store.insert("n", [{"a": a, "b": b} for a in (1, 2) for b in (1, 2)])
    found = store.find("n", sort=[("a", -1), ("b", 1)], limit=3)
    assert [(one["a"], one["b"]) for one in found] == [(2, 1), (2, 2), (1, 1)]


def test_sort_by_time(store: DocumentStore) -> None:
    """Also a time that was set later, and to the millisecond; what has none comes first."""
    for n, milliseconds in enumerate((0, 200, 1000, 1001)):
        store.insert("n", [{"n": n}])
        store.update("n", {"n": n}, {"at": NOW.replace(microsecond=0) + timedelta(milliseconds=milliseconds)})
    store.insert("n", [{"n": 9}])
    assert [one["n"] for one in store.find("n", sort=[("at", -1)])] == [3, 2, 1, 0, 9]


def test_only_the_fields_asked_for(store: DocumentStore) -> None:
    """With their types, in whatever documents have them; one is enough."""
    store.insert("n", [DOCUMENT, {"name": "other", "one": 2}])
    found = store.find("n", sort=[("one", 1)], fields=["at", "yes", "one", "nested"])
    assert_same(found[:1], [{name: DOCUMENT[name] for name in ("at", "yes", "one", "nested")}])
    assert found[1] == {"at": None, "yes": None, "one": 2, "nested": None}
    assert store.find("n", {"one": 2}, fields=["yes"]) == [{"yes": None}]
    assert store.find("n", {"one": 1}, fields=["yes"]) == [{"yes": True}]


def test_an_index_changes_no_answer(store: DocumentStore) -> None:
    """Before and after it, also for documents that lack its fields, and made twice."""
    store.insert("n", [{"n": n, "name": "ab"[n % 2], "at": NOW + timedelta(seconds=n)} for n in range(6)])
    store.insert("n", [{"n": 6, "name": "a"}, {"n": 7, "name": None, "at": NOW}, {"n": 8, "at": "text"}])

    def answers() -> list[list[int]]:
        before = {"name": "a", "at": {"$lt": NOW + timedelta(seconds=4)}}
        filters = [{}, {"name": "a"}, before, {"name": {"$in": ["a", None, 1]}}, {"name": None}, {"name": {"$ne": "a"}}]
        sort = [("at", -1), ("n", 1)]
        return [[one["n"] for one in store.find("n", filter, sort=sort, limit=7)] for filter in filters]

    without = answers()
    assert without[2] == [2, 0]
    for _ in range(2):
        store.index("n", ["at"])
        store.index("n", ["name", "at"])
    assert answers() == without


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


@pytest.mark.parametrize("fields", [["id"], ["model", "at"]])
def test_a_unique_key_is_kept(store: DocumentStore, fields: list[str]) -> None:
    """Whatever would make a second document with the key is refused; asking for the index twice is fine."""
    for _ in range(2):
        store.unique("n", fields)
    first = {"id": 1, "model": "a", "at": NOW}
    second = {"id": 2, "model": "a", "at": NOW + timedelta(seconds=1)}
    store.insert("n", [first, second])
    with pytest.raises(DocumentDuplicateError, match="'n'.*" + fields[-1]):
        store.insert("n", [first])
    with pytest.raises(DocumentDuplicateError):
        store.update("n", {"id": 2}, first)
    with pytest.raises(DocumentDuplicateError):
        store.upsert("n", {"other": 1}, first)
    assert store.find("n", sort=[("at", 1)]) == [first, second]
    store.insert("n", [{"x": 1}])
    with pytest.raises(DocumentDuplicateError):
        store.insert("n", [{"x": 2}])


@pytest.mark.parametrize("name", ["a.b", "$set"])
def test_a_name_that_mongodb_would_read_otherwise_is_refused(store: DocumentStore, name: str) -> None:
    """A path or an operator where a field's name should be: both stores say no, instead of each something else."""
    with pytest.raises(ValueError, match="cannot name a field"):
        store.update("n", {}, {name: 1})
    with pytest.raises(ValueError, match="cannot name a field"):
        store.upsert("n", {"id": 1}, {name: 1})


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
    store = MongoDocuments("mongodb://user:hunter2secret@127.0.0.1:9/?appName=hunter2secret", "db")
    with pytest.raises(ServiceUnavailableError) as error:
        store.ping()
    assert "127.0.0.1:9" in str(error.value)
    assert "SLUICE_DOCUMENTS__URI" in str(error.value)
    assert "hunter2secret" not in str(error.value) + repr(error.value)
    store.close()


@pytest.mark.parametrize("password", ["hunter2secret/more", "hunter2secret:more", "hunter2secret@more"])
def test_an_address_that_is_none_is_refused_without_the_password(password: str) -> None:
    """A password that nobody percent-encoded makes another address of it; the message says so and quotes nothing."""
    with pytest.raises(SettingsInvalidError) as error:
        MongoDocuments(f"mongodb://user:{password}@127.0.0.1:9/", "db")
    assert "SLUICE_DOCUMENTS__URI" in str(error.value)
    assert "percent-encoded" in str(error.value)
    assert "hunter2" not in str(error.value) + repr(error.value)


def test_refused_credentials_are_no_outage(tmp_path: Path) -> None:
    """Trying again does not help, so it is another error than an outage; it does not quote the password."""
    with secantusdb(tmp_path) as server:
        store = MongoDocuments(f"mongodb://nobody:hunter2secret@{server.address}/", "db")
        with pytest.raises(ServiceRefusedError, match="SLUICE_DOCUMENTS__URI") as error:
            store.insert("n", [{"a": 1}])
        store.close()
    assert error.value.status == 500
    assert "hunter2secret" not in str(error.value)


def test_encoded_documents_that_were_taken_survive_a_kill_of_the_server(tmp_path: Path) -> None:
    """They are acknowledged when the server's journal has them: who shipped them may forget them then."""
    with contextlib.ExitStack() as servers:
        server = servers.enter_context(secantusdb(tmp_path))
        store = MongoDocuments(f"mongodb://{server.address}/", "db")
        added = [store.insert_encoded("n", [b'{"id":"%d-%d"}' % (batch, i) for i in range(300)]) for batch in range(3)]
        os.kill(server.pid, signal.SIGKILL)
        servers.enter_context(secantusdb(tmp_path, int(server.address.rpartition(":")[2])))
        assert store.count("n") == sum(added) == 900
        store.close()


@pytest.mark.parametrize("name", ["order", "index", "select", "nothing", "values"])
def test_a_collection_may_have_any_plain_name(store: DocumentStore, name: str) -> None:
    """Words of SQL are names like others."""
    store.insert(name, [{"select": 1, "order": 2}])
    assert store.find(name, {"select": 1}, sort=[("order", 1)]) == [{"select": 1, "order": 2}]
