"""Collections by watermark: MongoDB's own through the wire, the feedback collection in both document stores."""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from loguru import logger
from pymongo import MongoClient

from sluice.documents import DocumentStore, open_documents
from sluice.errors import SettingsInvalidError, SourceInvalidError, SourceUnavailableError
from sluice.settings import Settings
from sluice.sources import Source, open_source
from tests.mongodb import wire_server

NOW = datetime(2026, 11, 21, 4, 30, 0, 123000, UTC)


@pytest.fixture(scope="module")
def mongodb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with wire_server(tmp_path_factory.mktemp("mongodb")) as uri:
        yield uri


class Place:
    """A collection, how a test writes to it, and the source that reads it."""

    def __init__(self, insert: Callable[[list[dict[str, Any]]], Any], source: Callable[..., Source]) -> None:
        self.insert, self.source = insert, source


@pytest.fixture(params=["mongodb", "feedback-embedded", "feedback-mongodb"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    database = f"test_{uuid.uuid4().hex[:8]}"
    if request.param == "feedback-embedded":
        settings = Settings(home=tmp_path)
    else:
        uri = request.getfixturevalue("mongodb")
        settings = Settings(home=tmp_path, documents={"uri": uri, "database": database})
    store: DocumentStore = open_documents(settings)
    name = "orders" if request.param == "mongodb" else "shop_feedback"
    kind = (
        {"kind": "mongodb", "collection": name, "watermark": "at", "id": "prediction_id"}
        if request.param == "mongodb"
        else {"kind": "feedback", "overlap": 0}
    )
    yield Place(
        lambda documents: store.insert(name, documents),
        lambda **options: open_source({**kind, **options}, use_case="shop", settings=settings, documents=store),
    )
    store.close()


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    said: list[str] = []
    handler = logger.add(said.append, level="WARNING", format="{message}")
    yield said
    logger.remove(handler)


def told(*seconds: float, prefix: str = "p") -> list[dict[str, Any]]:
    return [
        {"prediction_id": f"{prefix}{n:04}", "at": NOW + timedelta(seconds=s), "value": n}
        for n, s in enumerate(seconds)
    ]


def ids(source: Source, since: str | None = None) -> list[str]:
    return [id for frame in source.read(since) for id in frame["prediction_id"]]


def test_only_newer_documents_are_read(place: Place) -> None:
    """In the order of the watermark; a second run gives nothing and has the same fingerprint."""
    assert ids(place.source()) == []
    assert place.source().watermark is None
    place.insert(told(3, 1, 2))
    first = place.source()
    fingerprint = first.fingerprint()
    assert ids(first) == ["p0001", "p0002", "p0000"]
    assert ids(place.source(), first.watermark) == []
    assert place.source().fingerprint(first.watermark) == fingerprint
    place.insert(told(4, prefix="q"))
    assert place.source().fingerprint(first.watermark) != fingerprint
    assert ids(place.source(), first.watermark) == ["q0000"]


def test_documents_of_the_same_time_are_neither_lost_nor_read_twice(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than a batch holds, and some that come later with a smaller id."""
    monkeypatch.setattr("sluice.sources.feedback._BATCH", 10)
    options = {"batch": 10} if "Mongo" in type(place.source()).__name__ else {}
    place.insert(told(*[1.0] * 35, *[2.0] * 25))
    first = place.source(**options)
    assert ids(first) == [f"p{n:04}" for n in range(60)]
    place.insert(told(2.0, 2.0, prefix="a"))
    second = place.source(**options)
    assert ids(second, first.watermark) == ["a0000", "a0001"]
    assert ids(place.source(**options), second.watermark) == []


def test_too_many_documents_of_one_time_to_remember(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the id goes on from where it was: nothing twice, nothing of later ids lost."""
    monkeypatch.setattr("sluice.sources.newest_documents._MOST_TIES", 5)
    place.insert(told(*[1.0] * 20))
    first = place.source()
    assert len(ids(first)) == 20
    assert len(first.watermark or "") < 400
    place.insert(told(1.0, 2.0, prefix="q"))
    assert ids(place.source(), first.watermark) == ["q0000", "q0001"]


def test_late_documents_are_found_within_the_overlap(place: Place) -> None:
    """Another server's clock, or a slow write: they are older than what was read already."""
    place.insert(told(100, 200))
    first = place.source(overlap=50)
    ids(first)
    fingerprint = place.source(overlap=50).fingerprint(first.watermark)
    place.insert(told(160, prefix="late"))
    assert place.source(overlap=50).fingerprint(first.watermark) != fingerprint
    assert ids(place.source(overlap=50), first.watermark) == ["late0000"]


def test_documents_without_the_field_are_counted_in_the_log(place: Place, warnings: list[str]) -> None:
    """They have no place in the order, and are not left out without a word."""
    place.insert([*told(1), {"prediction_id": "x"}, {"prediction_id": "y", "at": None}])
    assert ids(place.source()) == ["p0000"]
    assert "2 documents have no at and are not read" in warnings[0]


def test_documents_without_the_id_are_an_error(place: Place) -> None:
    """Two of the same time could not be told apart."""
    place.insert([{"at": NOW, "value": 1}])
    with pytest.raises(SourceInvalidError, match=r"no 'prediction_id'.*source\.id"):
        ids(place.source())


def test_numbers_are_watermarks_too(place: Place) -> None:
    """A sequence instead of a time, and values as they were."""
    place.insert([{"prediction_id": f"p{n}", "seq": n, "nested": {"a": [n]}, "at": NOW} for n in range(5)])
    source = place.source(watermark="seq")
    frame = next(source.read(None))
    assert frame["seq"].to_list() == [0, 1, 2, 3, 4]
    assert frame["at"][0] == NOW
    assert frame["nested"][1] == '{"a": [1]}'


def test_a_plain_collection_is_read_by_its_own_id(mongodb: str, tmp_path: Path) -> None:
    """MongoDB's ObjectIds as text, a filter beside the watermark, the address from a secret."""
    database = f"test_{uuid.uuid4().hex[:8]}"
    with MongoClient(mongodb) as client:
        client[database]["orders"].insert_many(
            [{"at": NOW, "status": "done" if n % 2 else "open", "n": n} for n in range(10)]
        )
    settings = Settings(home=tmp_path, sources={"secrets": {"shop": mongodb}})
    config = {"kind": "mongodb", "collection": "orders", "watermark": "at", "database": database, "secret": "shop"}
    source = open_source({**config, "filter": {"status": "done"}, "batch": 2}, settings=settings)
    frames = list(source.read(None))
    assert [n for frame in frames for n in frame["n"]] == [1, 3, 5, 7, 9]
    assert len(frames) == 3
    assert len(frames[0]["_id"][0]) == 24
    again = open_source({**config, "filter": {"status": "done"}, "batch": 2}, settings=settings)
    assert list(again.read(source.watermark)) == []


def test_a_server_that_is_away_is_said_without_its_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to look at, and nothing secret."""
    monkeypatch.setattr("sluice.sources.mongodb._TIMEOUT_MS", 100)
    settings = Settings(home=tmp_path, sources={"secrets": {"shop": "mongodb://me:hidden@127.0.0.1:1/"}})
    config = {"kind": "mongodb", "collection": "orders", "watermark": "at", "secret": "shop"}
    with pytest.raises(SourceUnavailableError, match=r"sluice\.orders.*ServerSelectionTimeoutError") as error:
        open_source(config, settings=settings).fingerprint()
    assert "hidden" not in str(error.value)


@pytest.mark.parametrize("address", ["", "postgres://x", "mongodb://me:hid den@[/"])
def test_an_address_that_is_none_names_its_variable(tmp_path: Path, address: str) -> None:
    """Before anything is read, and without the address."""
    secrets = {"shop": address} if address else {}
    settings = Settings(home=tmp_path, sources={"secrets": secrets})
    config = {"kind": "mongodb", "collection": "orders", "watermark": "at"} | ({"secret": "shop"} if address else {})
    with pytest.raises(SettingsInvalidError, match=r"SECRETS__SHOP|SLUICE_DOCUMENTS__URI") as error:
        open_source(config, settings=settings).fingerprint()
    assert "hid den" not in str(error.value)
