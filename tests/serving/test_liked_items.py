"""POST /recommendations and GET /recommendations/items: for somebody whom the model does not know."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from httpx import Client

from serving.app import build_app
from sluice.embedded_documents import EmbeddedDocuments
from sluice.settings import ServingSettings, Settings
from tests.serving.conftest import serve
from tests.serving.console.models import FILMS, save_recommender
from tests.serving.fakes import FakeRegistry, eventually


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


@pytest.fixture(scope="module")
def store(home: Path) -> Iterator[EmbeddedDocuments]:
    store = EmbeddedDocuments(str(home / "documents.db"))
    yield store
    store.close()


@pytest.fixture(scope="module")
def client(home: Path, models: dict[str, Path]) -> Iterator[Client]:
    """Of a service with films, a recommender that tells no items, and a model that recommends nothing."""
    registry = FakeRegistry()
    registry.add("films", "1", save_recommender(home / "model"))
    registry.add("movies", "1", models["first"])
    registry.add("numbers", "1", models["doubler"])
    app = build_app(
        Settings(home=home, serving=ServingSettings(models=("films",))),
        registry,  # type: ignore[arg-type]
        lambda: EmbeddedDocuments(str(home / "documents.db")),
    )
    with serve(app) as address, Client(base_url=address, timeout=30, trust_env=False) as client:
        eventually(lambda: client.get("/readyz").status_code == 200)
        yield client


def ask(client: Client, **body: Any) -> dict[str, Any]:
    answer = client.post("/recommendations?model=films", json=body)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_liked_items_bring_what_belongs_to_them(client: Client) -> None:
    """Best first, without those that were named, with the version that answered and the prediction's id."""
    told = ask(client, items=[1, 2], k=2)
    assert [item["item_id"] for item in told["items"]] == [3, 4]
    assert told["items"][0]["title"] == "Alien (1979)"
    assert told["items"][0]["score"] > told["items"][1]["score"]
    assert (told["model"], told["version"], told["known"], told["unknown"]) == ("films", "1", True, [])
    assert len(told["prediction_id"]) > 10


def test_the_recommenders_time_is_measured(client: Client) -> None:
    """Of both routes, which ask one of our own without the scoring protocol."""
    before = timed(client)
    client.get("/recommendations/1?model=films")
    ask(client, items=[1])
    assert timed(client) == before + 2


def timed(client: Client) -> float:
    """How many answers of films were timed."""
    series = 'sluice_prediction_duration_seconds_count{model="films",model_version="1"} '
    (line,) = (line for line in client.get("/metrics").text.splitlines() if line.startswith(series))
    return float(line.removeprefix(series))


def test_what_a_user_has_seen_gives_what_the_user_gets(client: Client) -> None:
    """The list is that of a user of the data with the same history."""
    known = client.get("/recommendations/1?model=films&k=4").json()["items"]
    assert ask(client, items=["1", 2], k=4)["items"] == known


def test_genre_and_exclude_are_kept_to(client: Client) -> None:
    """As for a user; a genre that nothing has is named."""
    assert [item["item_id"] for item in ask(client, items=[1], k=2, genre="comedy")["items"]] == [5, 6]
    assert [item["item_id"] for item in ask(client, items=[1], k=1, exclude=["2"])["items"]] == [3]
    wrong = client.post("/recommendations?model=films", json={"items": [1], "genre": "Opera"})
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["field"] == "genre"


def test_unknown_items_are_named_and_do_not_matter(client: Client) -> None:
    """Without any that is known, or without any at all, the popular ones come."""
    told = ask(client, items=[1, 999, "x"], k=1)
    assert (told["known"], told["unknown"], told["items"][0]["item_id"]) == (True, [999, "x"], 2)
    for items in ([], [999]):
        told = ask(client, items=items, k=2)
        assert told["known"] is False
        assert [item["item_id"] for item in told["items"]] == [1, 2]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "items"),
        ({"items": 1}, "items"),
        ({"items": [1.5]}, "items.0"),
        ({"items": [True]}, "items.0"),
        ({"items": [None]}, "items.0"),
        ({"items": [[1]]}, "items.0"),
        ({"items": ["x" * 257]}, "items.0"),
        ({"items": [1] * 1001}, "items"),
        ({"items": [1], "k": 0}, "k"),
        ({"items": [1], "k": 1001}, "k"),
        ({"items": [1], "k": "3"}, "k"),
        ({"items": [1], "genre": ""}, "genre"),
        ({"items": [1], "exclude": "2"}, "exclude"),
        ({"items": [1], "user_id": 1}, "user_id"),
        ([], "body"),
        (None, "body"),
        ("text", "body"),
    ],
)
def test_what_is_wrong_is_named(client: Client, body: Any, field: str) -> None:
    """A 422 whose errors name the field."""
    answer = client.post("/recommendations?model=films", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert field in [error["field"] for error in answer.json()["errors"]]


def test_a_body_that_is_no_json_is_the_clients(client: Client) -> None:
    """Also none, and one with half a character."""
    for content in (b"", b"{", b'{"items": ["\\ud800"]}', b"\xff"):
        assert client.post("/recommendations?model=films", content=content).status_code == 422


def test_a_model_without_a_catalogue_says_so(client: Client) -> None:
    """One that only answers users, one that recommends nothing, and none at all."""
    for name in ("movies", "numbers"):
        for answer in (
            client.post(f"/recommendations?model={name}", json={"items": [1]}),
            client.get(f"/recommendations/items?model={name}"),
        ):
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["field"] == "model"
    assert client.post("/recommendations?model=nobody", json={"items": [1]}).status_code == 404


def test_items_are_found_by_their_title(client: Client) -> None:
    """Most popular first, with genres; without a query the most popular of all."""
    found = client.get("/recommendations/items", params={"model": "films", "query": "ALIEN"}).json()
    assert found == {
        "model": "films",
        "version": "1",
        "items": [{"item_id": 3, "title": "Alien (1979)", "genres": "Horror|Sci-Fi", "support": 77}],
    }
    popular = client.get("/recommendations/items?model=films&k=3").json()["items"]
    assert [item["item_id"] for item in popular] == list(FILMS)[:3]
    assert client.get("/recommendations/items?model=films&query=nothing").json()["items"] == []


@pytest.mark.parametrize(
    ("query", "field"), [("k=0", "k"), ("k=101", "k"), ("k=x", "k"), ("query=" + "x" * 257, "query")]
)
def test_a_wrong_search_names_the_parameter(client: Client, query: str, field: str) -> None:
    """As everywhere."""
    answer = client.get(f"/recommendations/items?model=films&{query}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


def test_such_recommendations_are_logged_as_others_are(client: Client, store: EmbeddedDocuments) -> None:
    """With what was liked and what came of it, by the prediction's id."""
    told = ask(client, items=[1, "2"], k=1)

    eventually(lambda: store.find_one("films_predictions", {"id": told["prediction_id"]}))
    document = store.find_one("films_predictions", {"id": told["prediction_id"]})
    assert document is not None
    assert document["features"] == {"items": [[1, "2"]]}
    assert document["output"] == told["items"]
    assert document["route"] == "/recommendations"
