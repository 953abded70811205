"""Releases over HTTP: versions, history, promote and roll back, and who may."""

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Event, current_thread
from typing import Any

import pytest
from httpx import Client

from serving.app import build_app
from sluice.api_keys import ApiKeys
from sluice.documents import DocumentStore
from sluice.embedded_documents import EmbeddedDocuments
from sluice.evaluation import Evaluation
from sluice.models import ModelVersion
from sluice.settings import MlflowSettings, ServingSettings, Settings
from tests.serving.conftest import serve
from tests.serving.fakes import FakeRegistry, eventually

Start = Callable[..., AbstractContextManager[Client]]
# Nothing follows by itself in these tests: what changes, a request changed.
NEVER = 3600.0


@pytest.fixture
def start(registry: FakeRegistry, tmp_path: Path) -> Start:
    """Starts the service over a real document store; ``movies`` 1 is champion of the fake registry."""

    @contextmanager
    def started(**settings: Any) -> Iterator[Client]:
        serving = ServingSettings(**{"models": ("movies",), "refresh_seconds": NEVER, **settings})
        mlflow = MlflowSettings(uri="http://ann:secret@mlflow:5000")
        app = build_app(
            Settings(home=tmp_path, serving=serving, mlflow=mlflow),
            registry,  # type: ignore[arg-type]
            lambda: open_store(tmp_path),
        )
        with serve(app) as address, Client(base_url=address, timeout=30, trust_env=False) as client:
            eventually(lambda: client.get("/readyz").status_code == 200)
            yield client

    return started


def open_store(folder: Path) -> DocumentStore:
    return EmbeddedDocuments(str(folder / "documents.db"))


def answering(client: Client) -> str:
    return str(client.get("/recommendations/1?k=1").json()["version"])


def promote(client: Client, version: Any, **more: Any) -> dict[str, Any]:
    answer = client.post("/models/movies/promote", json={"version": version, **more})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def rollback(client: Client, **more: Any) -> dict[str, Any]:
    answer = client.post("/models/movies/rollback", json=more)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_the_next_prediction_is_the_new_champions(start: Start) -> None:
    """Promoted and rolled back, each is in force when the request is answered; the answer says what it was and why."""
    with start() as client:
        assert answering(client) == "1"
        made = promote(client, 2, reason="agreed with\nthe editors")
        assert answering(client) == "2"
        back = rollback(client, reason="too slow")
        assert answering(client) == "1"
        reigns = client.get("/models/movies/history").json()
    assert (made["version"], made["previous"], made["by"], made["until"]) == ("2", "1", "anonymous", None)
    assert made["reason"] == "agreed with the editors"
    assert (made["serving"]["version"], made["serving"]["refused"]) == ("2", None)
    assert (back["version"], back["reason"], back["rollback"]) == ("1", "too slow", True)
    assert [(reign["version"], reign["reason"]) for reign in reigns[:2]] == [
        ("1", "too slow"),
        ("2", "agreed with the editors"),
    ]
    # Whoever made 1 champion did so in the registry itself.
    assert (reigns[2]["version"], reigns[2]["external"]) == ("1", True)
    assert reigns[1]["until"] == reigns[0]["since"]


def test_a_model_that_nobody_asked_for_yet_is_released_too(start: Start, registry: FakeRegistry) -> None:
    """The promotion loads it, so that the first prediction does not wait."""
    with start(models=()) as client:
        promote(client, 2)
        assert registry.loaded == [("movies", "2")]
        assert [one["version"] for one in client.get("/models").json()["models"]] == ["2"]


def test_a_version_that_does_not_load_is_told_at_once(start: Start) -> None:
    """It is champion of the registry; the one before goes on answering, and the promotion's answer says why."""
    with start() as client:
        serving = promote(client, 4)["serving"]
        assert serving["version"] == "1"
        assert serving["refused"]["version"] == "4"
        assert "lightfm" in serving["refused"]["problem"]
        assert client.get("/models/movies").json()["refused"]["version"] == "4"
        assert answering(client) == "1"
        assert rollback(client)["serving"]["refused"] is None


def test_promoting_a_refused_version_again_tries_it_again(
    start: Start, registry: FakeRegistry, models: dict[str, Path]
) -> None:
    """Whoever mended its files does not wait for the next try, and makes no second entry."""
    with start() as client:
        promote(client, 4)
        registry.add("movies", "4", models["second"], alias=None)
        again = promote(client, 4)
        assert (again["serving"]["version"], again["serving"]["refused"]) == ("4", None)
        assert [one["version"] for one in client.get("/models/movies/history").json()] == ["4", "1"]


def test_a_button_that_is_pressed_twice_promotes_once(start: Start) -> None:
    """Requests at once make one entry, and all of them get it."""
    with start() as client, ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: promote(client, 2)["since"], range(4)))
        reigns = client.get("/models/movies/history").json()
    assert len(set(made)) == 1
    assert [reign["version"] for reign in reigns] == ["2", "1"]


def test_a_look_up_that_was_under_way_does_not_hide_the_new_champion(
    start: Start, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that read the alias before it moved, and ends after that, is followed by another before the answer."""
    held, go, find = Event(), Event(), registry.find

    def slow(name: str, *, alias: str | None = None, version: str | None = None) -> ModelVersion | None:
        found = find(name, alias=alias, version=version)
        if current_thread().name.startswith("registry") and not held.is_set():
            held.set()
            go.wait(10)
        return found

    with start(refresh_seconds=0.05) as client, ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(registry, "find", slow)
        assert held.wait(10)
        moving = pool.submit(promote, client, 2)
        eventually(lambda: registry.get("movies", alias="champion").version == "2")
        time.sleep(0.3)  # the promotion waits for the same look-up by now
        go.set()
        assert moving.result()["serving"]["version"] == "2"


WRONG: list[tuple[str, Any, int, str]] = [
    ("promote", {"version": 9}, 404, "version 9"),
    ("promote", {"version": "x"}, 422, "version: must be a whole number"),
    ("promote", {"version": -1}, 422, "version: "),
    ("promote", {"version": True}, 422, "version: "),
    ("promote", {"version": None}, 422, "version: "),
    ("promote", {}, 422, "version: "),
    ("promote", [], 422, "body: "),
    ("promote", {"version": 2, "reason": "x" * 1001}, 422, "reason: "),
    ("promote", {"version": 2, "resaon": "x"}, 422, "resaon: "),
    ("rollback", {"to": 9}, 404, "version 9"),
    ("rollback", {"to": "1.5"}, 422, "to: must be a whole number"),
    ("rollback", {"to": {}}, 422, "to: "),
]


def test_a_wrong_request_says_which_field_and_changes_nothing(start: Start) -> None:
    """A problem document, 404 for what is not in the registry and 422 for what cannot be."""
    with start() as client:
        for what, body, status, said in WRONG:
            answer = client.post(f"/models/movies/{what}", json=body)
            assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), body
            assert said in answer.json()["detail"]
        assert [one["version"] for one in client.get("/models/movies/history").json()] == ["1"]
        assert answering(client) == "1"


def test_what_cannot_be_rolled_back_says_so_as_the_command_line_does(start: Start, registry: FakeRegistry) -> None:
    """409 with one sentence: nothing before, no champion at all, and a champion that is gone from the registry."""
    with start() as client:
        first = client.post("/models/movies/rollback")
        registry.delete_alias("numbers", "champion")
        none = client.post("/models/numbers/rollback")
        promote(client, 2)
        registry.remove("movies", "1")
        gone = client.post("/models/movies/rollback")
    assert [one.status_code for one in (first, none, gone)] == [409, 409, 409]
    assert first.json()["title"] == "Rollback impossible"
    assert first.json()["detail"].startswith("movies cannot be rolled back: no champion was before this one.")
    assert "it has no champion" in none.json()["detail"]
    assert "version 1, the champion before this one, is not in the registry any more" in gone.json()["detail"]


def test_a_model_that_is_not_there_is_404(start: Start) -> None:
    """Whatever its name is; a parameter that cannot be is 422."""
    paths = ("versions", "history", "evaluation", "versions/9/evaluation")
    with start() as client:
        for name in ("nobody", "a'b", 'a"b', "a%00b", "%F0%9F%98%80"):
            for path in paths:
                answer = client.get(f"/models/{name}/{path}")
                assert answer.status_code == 404, answer.text
                assert answer.headers["content-type"] == "application/problem+json"
        for query in ("cursor=x", "cursor=-1", "limit=0", "limit=201"):
            assert client.get(f"/models/movies/versions?{query}").status_code == 422
        assert client.get("/models/movies/versions/x/evaluation").status_code == 422


def test_versions_come_newest_first_and_in_pages(start: Start, registry: FakeRegistry) -> None:
    """With aliases, numbers and links; the header Link leads from page to page to the first version."""
    registry.numbers["movies", "2"] = {"ndcg_at_10": 0.5, "odd": math.nan}
    seen, pages = [], 0
    with start() as client:
        following: str | None = "/models/movies/versions?limit=2"
        while following:
            answer = client.get(following)
            seen += answer.json()
            pages += 1
            following = answer.links.get("next", {}).get("url")
    assert ([one["version"] for one in seen], pages) == (["5", "4", "3", "2", "1"], 3)
    assert [one["aliases"] for one in seen] == [[], [], [], [], ["champion"]]
    second = seen[3]
    assert second["metrics"] == {"ndcg_at_10": 0.5, "odd": None}
    assert second["params"] == {"depth": "3"}
    assert second["links"] == {
        "mlflow": "http://mlflow:5000/#/models/movies/versions/2",
        "run": "http://mlflow:5000/#/experiments/7/runs/run2",
    }
    assert seen[4]["metrics"] == {}  # its run was removed


def test_an_evaluation_is_the_champions_or_a_versions(start: Start, registry: FakeRegistry) -> None:
    """As the flow wrote it; 404 says which version has none, or has something else under that name."""
    labels = {"labels": {"true": [0, 1, 1], "predicted": [0, 0, 1]}}
    written = Evaluation.of("movies", "1", "features/movies@3", {"accuracy": 2 / 3, "auc": math.nan}, labels)
    registry.json["movies", "1", "evaluation"] = written.model_dump(mode="json")
    registry.json["movies", "2", "evaluation"] = {"what": "ever"}
    with start() as client:
        champion = client.get("/models/movies/evaluation").json()
        same = client.get("/models/movies/versions/1/evaluation").json()
        foreign, none = (client.get(f"/models/movies/versions/{version}/evaluation") for version in (2, 3))
    assert champion == same
    assert champion["confusion_matrix"] == [[1, 0], [1, 1]]
    assert champion["metrics"] == {"accuracy": 2 / 3, "auc": None}
    assert [(one.status_code, one.json()["type"]) for one in (foreign, none)] == [
        (404, "urn:sluice:problem:evaluation-not-found")
    ] * 2
    assert "something else" in foreign.json()["detail"]
    assert "model_version=3" in none.json()["detail"]


def test_a_registry_that_is_away_is_503(start: Start, registry: FakeRegistry) -> None:
    """Nothing is recorded of a promotion that did not happen."""
    with start() as client:
        registry.down = True
        answers = [
            client.post("/models/movies/promote", json={"version": 2}),
            client.post("/models/movies/rollback"),
            *(client.get(f"/models/movies/{what}") for what in ("versions", "history", "evaluation")),
        ]
        registry.down = False
        assert [one["version"] for one in client.get("/models/movies/history").json()] == ["1"]
    assert {answer.status_code for answer in answers} == {503}
    assert all(answer.headers["retry-after"] for answer in answers)


def test_who_predicts_may_read_and_not_release(start: Start, tmp_path: Path) -> None:
    """A key for predictions gets 403; the name of the key that may is in the history."""
    store = open_store(tmp_path)
    keys = ApiKeys(store)
    may_predict = {"x-api-key": keys.create("shop", "predict", by="me").text}
    may_operate = {"x-api-key": keys.create("release-bot", "operate", by="me").text}
    store.close()
    with start(auth="required") as client:
        for what, body in (("promote", {"version": 2}), ("rollback", {})):
            refused = client.post(f"/models/movies/{what}", json=body, headers=may_predict)
            assert (refused.status_code, refused.json()["type"]) == (403, "urn:sluice:problem:scope-missing")
            assert client.post(f"/models/movies/{what}", json=body).status_code == 401
        for what in ("versions", "history"):
            assert client.get(f"/models/movies/{what}", headers=may_predict).status_code == 200
            assert client.get(f"/models/movies/{what}").status_code == 401
        made = client.post("/models/movies/promote", json={"version": 2}, headers=may_operate)
    assert (made.status_code, made.json()["by"]) == (200, "release-bot")
