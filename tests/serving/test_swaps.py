"""A new champion takes the old one's place by itself, and a broken one does not."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, get_ident
from typing import Any, cast

import pytest
from httpx import Client

from serving.journal import ServingJournal
from serving.served import ServedModel, now
from sluice.models import ModelVersion
from tests.serving.conftest import Service
from tests.serving.fakes import FakeDocuments, FakeRegistry, eventually


def version(client: Client) -> str:
    return str(client.get("/recommendations/1?k=1").json()["version"])


def sample(client: Client, name: str, labels: str) -> float:
    for line in client.get("/metrics").text.splitlines():
        if line.startswith(f"{name}{{{labels}}} "):
            return float(line.rpartition(" ")[2])
    return 0.0


def test_swap_under_concurrent_requests_fails_none(service: Service, registry: FakeRegistry) -> None:
    """While the alias moves to and fro, every request is answered by one whole version."""
    registry.load_seconds = 0.05
    with service() as client, ThreadPoolExecutor(4) as pool:
        stop = Event()

        def ask() -> set[tuple[int, str, str]]:
            seen = set()
            while not stop.is_set():
                answer = client.get("/recommendations/1?k=1")
                body = answer.json()
                seen.add((answer.status_code, body["version"], body["items"][0]["title"]))
            return seen

        asking = [pool.submit(ask) for _ in range(4)]
        for champion in ("2", "1", "2", "1", "2"):
            registry.set_alias("movies", "champion", champion)
            eventually(lambda champion=champion: version(client) == champion)
        stop.set()
        seen = set().union(*(future.result() for future in asking))
    assert seen == {(200, "1", "first item 1"), (200, "2", "second item 1")}


@pytest.mark.parametrize(
    ("broken", "why"),
    [("3", "column 'age' is gone"), ("4", "No module named 'lightfm'"), ("5", "signature")],
)
def test_broken_version_is_refused_and_the_old_goes_on(
    service: Service, registry: FakeRegistry, broken: str, why: str
) -> None:
    """A version that fails its example, fails to load or has no signature never answers, and everybody is told."""
    with service(required=("movies",)) as client:
        eventually(lambda: client.get("/readyz").status_code == 200)
        registry.set_alias("movies", "champion", broken)
        eventually(lambda: client.get("/models/movies").json()["refused"])
        assert version(client) == "1"
        ready = client.get("/readyz")
        assert ready.status_code == 200
        refused = ready.json()["models"][0]["refused"]
        assert refused["version"] == broken
        assert why in refused["problem"]
        assert sample(client, "sluice_model_load_failures_total", 'model="movies"') == 1
        assert sample(client, "sluice_model_refused_info", f'model="movies",model_version="{broken}"') == 1
        assert sample(client, "sluice_model_loaded_info", 'model="movies",model_version="1"') == 1


def test_good_version_after_a_broken_one_ends_the_refusal(service: Service, registry: FakeRegistry) -> None:
    """The refusal belongs to the version that the alias named then."""
    with service() as client:
        registry.set_alias("movies", "champion", "3")
        eventually(lambda: client.get("/models/movies").json()["refused"])
        registry.set_alias("movies", "champion", "2")
        eventually(lambda: version(client) == "2")
        assert client.get("/models/movies").json()["refused"] is None
        assert sample(client, "sluice_model_refused_info", 'model="movies",model_version="3"') == 0


def test_rollback_to_the_version_that_answers_ends_the_refusal(service: Service, registry: FakeRegistry) -> None:
    """Moving the alias back needs no load and leaves nothing to complain about."""
    with service() as client:
        registry.set_alias("movies", "champion", "3")
        eventually(lambda: client.get("/models/movies").json()["refused"])
        registry.set_alias("movies", "champion", "1")
        eventually(lambda: client.get("/models/movies").json()["refused"] is None)
        assert registry.loaded.count(("movies", "1")) == 1


def test_refused_version_is_not_loaded_at_every_poll(service: Service, registry: FakeRegistry) -> None:
    """A broken version costs one load, then waits for its next try."""
    with service() as client:
        registry.set_alias("movies", "champion", "3")
        eventually(lambda: client.get("/models/movies").json()["refused"])
        polls = len(registry.looked_up)
        eventually(lambda: len(registry.looked_up) > polls + 5)
        assert registry.loaded.count(("movies", "3")) == 1


def test_first_version_that_is_broken_answers_503(service: Service, registry: FakeRegistry) -> None:
    """With no older version to go on with, the answer says what is wrong with the one there is."""
    registry.set_alias("movies", "champion", "3")
    with service() as client:
        answer = client.get("/recommendations/1")
        assert answer.status_code == 503
        assert answer.json()["type"] == "urn:sluice:problem:model-load-failed"
        assert "column 'age' is gone" in answer.json()["detail"]
        assert "Retry-After" in answer.headers
        assert client.get("/models/movies").json()["version"] is None


def test_registry_down_changes_nothing_for_loaded_models(service: Service, registry: FakeRegistry) -> None:
    """Loaded models answer, others get a 503, and the new champion comes once the registry is back."""
    with service() as client:
        assert version(client) == "1"
        registry.down = True
        registry.set_alias("movies", "champion", "2")
        assert [version(client) for _ in range(20)] == ["1"] * 20
        assert client.get("/readyz").status_code == 200
        assert client.get("/models/numbers").status_code == 503
        registry.down = False
        eventually(lambda: version(client) == "2")


def test_alias_that_disappears_changes_nothing(service: Service, registry: FakeRegistry) -> None:
    """Taking the alias away does not take the model away from those who use it."""
    with service() as client:
        registry.delete_alias("movies", "champion")
        polls = len(registry.looked_up)
        eventually(lambda: len(registry.looked_up) > polls + 2)
        assert version(client) == "1"


def test_registry_down_at_start_is_survived(service: Service, registry: FakeRegistry) -> None:
    """The process comes up, and loads its models as soon as the registry answers."""
    registry.down = True
    with service(required=("movies",)) as client:
        eventually(lambda: client.get("/livez").status_code == 200)
        assert client.get("/readyz").status_code == 503
        registry.down = False
        eventually(lambda: client.get("/readyz").status_code == 200)


def test_concurrent_first_requests_load_once(service: Service, registry: FakeRegistry) -> None:
    """A model that many ask for at once is loaded once, and all of them get it."""
    registry.load_seconds = 0.2
    with service() as client, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.get("/models/numbers"), range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert registry.loaded.count(("numbers", "1")) == 1


def test_unknown_name_is_looked_up_once_in_a_while(service: Service, registry: FakeRegistry) -> None:
    """A client's loop over a wrong name is not a loop over the registry."""
    with service() as client:
        answers = {client.get("/models/nobody").status_code for _ in range(50)}
    assert answers == {404}
    assert registry.looked_up.count("nobody") <= 2


def test_registry_is_asked_off_the_event_loop(service: Service, registry: FakeRegistry) -> None:
    """Health checks are answered while a model loads for long."""
    registry.load_seconds = 1.0
    with service(models=()) as client, ThreadPoolExecutor(1) as pool:
        slow = pool.submit(client.get, "/models/movies")
        eventually(lambda: registry.loaded)
        assert client.get("/livez").elapsed.total_seconds() < 0.5
        assert not slow.done()
        assert slow.result().status_code == 200
    assert get_ident() not in registry.threads


def test_servings_are_journalled(service: Service, registry: FakeRegistry, documents: FakeDocuments) -> None:
    """The document store tells which version answered from when to when, without a gap."""
    with service() as client:
        registry.set_alias("movies", "champion", "2")
        eventually(lambda: version(client) == "2")
        eventually(lambda: len(documents.collections.get("model_servings", [])) == 2)
    first, second = documents.collections["model_servings"]
    assert [first["version"], second["version"]] == ["1", "2"]
    assert first["until"] == second["since"]
    assert second["until"] >= second["since"]
    assert first["instance"] == second["instance"]
    assert documents.closed


def test_a_version_that_was_loaded_before_serves_from_its_promotion_on(
    service: Service, registry: FakeRegistry, documents: FakeDocuments
) -> None:
    """The trail is of champions; each time that one came back is an entry of its own."""
    with service() as client:
        assert client.get("/recommendations/1?version=2").json()["version"] == "2"
        promoted = now()
        for champion in ("2", "1", "2"):
            registry.set_alias("movies", "champion", champion)
            eventually(lambda champion=champion: version(client) == champion)
    trail = documents.collections["model_servings"]
    assert [entry["version"] for entry in trail] == ["1", "2", "1", "2"]
    assert [entry["until"] for entry in trail[:-1]] == [entry["since"] for entry in trail[1:]]
    assert trail[1]["since"] >= promoted
    assert trail[-1]["until"] is not None


def test_a_champion_that_is_let_go_ends_in_the_trail(documents: FakeDocuments, tmp_path: Path) -> None:
    """It begins anew when it is loaded again."""
    registered = ModelVersion(name="movies", version="1", run_id="r", aliases=(), tags={}, created_at=now())
    served = ServedModel(registered, cast("Any", None), cast("Any", None), now(), tmp_path)
    journal = ServingJournal(lambda: cast("Any", documents), "here:1")
    journal.swapped("movies", served)
    journal.swapped("movies", None)
    time.sleep(0.002)
    journal.swapped("movies", served)
    journal.start()
    eventually(lambda: len(documents.collections.get("model_servings", [])) == 2)
    journal.close()
    first, second = documents.collections["model_servings"]
    assert first["until"] < second["since"] <= second["until"]


def test_document_store_down_does_not_hold_serving_up(service: Service, documents: FakeDocuments) -> None:
    """Without its document store the service answers, and ends in time."""
    documents.down = True
    with service() as client:
        assert version(client) == "1"
    assert documents.collections == {}


def test_broken_model_that_nobody_configured_tells_why(service: Service, registry: FakeRegistry) -> None:
    """Asking about a model whose only version was refused is answered, the first time too."""
    registry.set_alias("movies", "champion", "4")
    with service(models=()) as client:
        for _ in range(2):
            answer = client.get("/models/movies")
            assert answer.status_code == 200
            assert answer.json()["version"] is None
            assert "lightfm" in answer.json()["refused"]["problem"]
