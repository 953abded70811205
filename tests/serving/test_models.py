"""Any number of models: by alias and by version, within a budget of memory, and without the registry."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any, cast

import pytest
from httpx import Client
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from prometheus_client import CollectorRegistry

from serving.cache import ModelCache
from serving.metrics import ServingMetrics
from serving.model_key import ModelKey
from serving.remembered import Remembered
from serving.served import LoadTimes, ServedModel, now
from sluice.errors import ModelLoadFailedError, ModelLoadingError
from sluice.models import ModelRegistry, ModelVersion
from tests.serving.conftest import Service
from tests.serving.fakes import FakeRegistry, eventually


def titles(client: Client, query: str = "") -> str:
    answer = client.get(f"/recommendations/1?k=1{query}")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["items"][0]["title"])


def test_a_version_and_another_alias_answer_beside_the_champion(service: Service, registry: FakeRegistry) -> None:
    """Each is loaded on first use; an alias that moves is followed, a version stays."""
    registry.set_alias("movies", "challenger", "2")
    with service() as client:
        assert titles(client) == "first item 1"
        assert titles(client, "&version=2") == "second item 1"
        assert titles(client, "&alias=challenger") == "second item 1"
        assert registry.loaded.count(("movies", "2")) == 1
        registry.set_alias("movies", "challenger", "1")
        eventually(lambda: titles(client, "&alias=challenger") == "first item 1")
        assert titles(client, "&version=2") == "second item 1"


def test_what_does_not_exist_is_a_404_and_what_cannot_a_422(service: Service) -> None:
    """The answer names what was asked for."""
    with service() as client:
        missing = client.get("/recommendations/1?version=99")
        assert missing.status_code == 404
        assert "version 99" in missing.json()["detail"]
        assert client.get("/recommendations/1?alias=nobody").status_code == 404
        assert client.get("/recommendations/1?version=one").json()["errors"][0]["field"] == "version"
        assert client.get("/recommendations/1?version=1&alias=champion").json()["errors"][0]["field"] == "alias"


class Shelf:
    """A cache with room for two models, of which ``a`` is always kept. What `refused` has cannot be loaded."""

    def __init__(self, registry: FakeRegistry, folder: Path) -> None:
        self.loaded: list[str] = []
        self.refused: set[tuple[str, str]] = set()
        self.swapped: list[tuple[str, str | None]] = []
        self.loads = Event()
        self.loads.set()
        self._folder, self._registry = folder, registry
        for name in ("a", "b", "c"):
            registry.add(name, "1", folder)

    def use(self, what: Callable[[ModelCache], Awaitable[None]]) -> None:
        async def with_cache() -> None:
            with ThreadPoolExecutor(2) as pool:
                metrics, models = ServingMetrics(CollectorRegistry()), cast("ModelRegistry", self._registry)
                nothing, remembered = lambda _: None, Remembered(None)
                await what(
                    ModelCache(
                        models, metrics, pool, self._load, _as_it_is, nothing, self._swapped, remembered, 100, ("a",)
                    )
                )

        asyncio.run(with_cache())

    def _load(self, version: ModelVersion) -> tuple[ServedModel, LoadTimes]:
        self.loaded.append(version.name)
        if (version.name, version.version) in self.refused:
            self.loads.wait()
            raise ModelLoadFailedError(name=version.name, version=version.version, problem="it is broken")
        signature = ModelSignature(Schema([ColSpec("double", "x")]))
        return ServedModel(version, cast("Any", None), signature, now(), self._folder, size=40), LoadTimes(0, 0)

    def _swapped(self, name: str, served: ServedModel | None) -> None:
        self.swapped.append((name, served and served.version.version))


async def _as_it_is(before: ServedModel, served: ServedModel) -> ServedModel:
    return served


def answering(cache: ModelCache) -> list[str]:
    return [name for name in "abc" if cache.current(ModelKey(name))]


@pytest.fixture
def shelf(registry: FakeRegistry, tmp_path: Path) -> Shelf:
    return Shelf(registry, tmp_path)


def test_the_one_not_asked_for_the_longest_makes_room(shelf: Shelf) -> None:
    """Over the budget the idle model goes, what is required stays, and who asks for it again gets it."""

    async def ask(cache: ModelCache) -> None:
        for name in ("a", "b", "c"):
            await cache.get(ModelKey(name))
        assert answering(cache) == ["a", "c"]
        assert cache.names() == ["a", "b", "c"]
        assert ModelKey("b") not in cache.followed()
        await cache.get(ModelKey("b"))
        assert answering(cache) == ["a", "b"]

    shelf.use(ask)
    assert shelf.loaded == ["a", "b", "c", "b"]
    assert shelf.swapped == [("a", "1"), ("b", "1"), ("c", "1"), ("b", None), ("b", "1"), ("c", None)]


def test_what_stands_in_for_a_refused_version_makes_no_room(shelf: Shelf, registry: FakeRegistry) -> None:
    """Nothing would answer in its place."""
    registry.add("b", "2", Path(), alias=None)
    shelf.refused = {("b", "2")}

    async def ask(cache: ModelCache) -> None:
        await cache.get(ModelKey("b"))
        registry.set_alias("b", "champion", "2")
        await cache.refresh(ModelKey("b"))
        for name in ("a", "c"):
            await cache.get(ModelKey(name))
        assert answering(cache) == ["a", "b", "c"]

    shelf.use(ask)


def test_one_that_was_let_go_while_its_next_version_was_refused_is_tried_again(
    shelf: Shelf, registry: FakeRegistry
) -> None:
    """Who asks for it is told why it does not answer, and from then on it is followed."""
    registry.add("b", "2", Path(), alias=None)
    shelf.refused = {("b", "2")}

    async def ask(cache: ModelCache) -> None:
        for name in ("a", "b"):
            await cache.get(ModelKey(name))
        registry.set_alias("b", "champion", "2")
        shelf.loads.clear()
        refreshing = asyncio.create_task(cache.refresh(ModelKey("b")))
        while shelf.loaded.count("b") < 2:
            await asyncio.sleep(0.01)
        await cache.get(ModelKey("c"))
        shelf.loads.set()
        await refreshing
        assert answering(cache) == ["a", "c"]
        with pytest.raises(ModelLoadFailedError):
            await cache.get(ModelKey("b"))
        assert ModelKey("b") in cache.followed()
        registry.set_alias("b", "champion", "1")
        await cache.refresh(ModelKey("b"))
        assert cache.current(ModelKey("b"))

    shelf.use(ask)


def test_a_refused_number_is_tried_again_when_it_is_due(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody follows it, so who asks for it does."""
    monkeypatch.setattr("serving.refusal.FIRST_RETRY_SECONDS", 0.05)
    shelf.refused = {("b", "1")}

    async def ask(cache: ModelCache) -> None:
        with pytest.raises(ModelLoadFailedError):
            await cache.get(ModelKey("b", version="1"))
        shelf.refused.clear()
        with pytest.raises(ModelLoadFailedError):
            await cache.get(ModelKey("b", version="1"))
        assert shelf.loaded == ["b"]
        await asyncio.sleep(0.06)
        assert await cache.get(ModelKey("b", version="1"))

    shelf.use(ask)


def test_a_load_that_takes_too_long_names_the_model(shelf: Shelf, registry: FakeRegistry) -> None:
    """The name is a label of a metric, whatever version was asked for."""
    registry.add("b", "2", Path(), alias=None)
    shelf.refused = {("b", "2")}
    shelf.loads.clear()

    async def ask(cache: ModelCache) -> None:
        cache._patience = 0.01
        with pytest.raises(ModelLoadingError) as late:
            await cache.get(ModelKey("b", version="2"))
        shelf.loads.set()
        assert late.value.fields["name"] == "b"

    shelf.use(ask)


def test_workers_remember_together_what_was_served(registry: FakeRegistry, tmp_path: Path) -> None:
    """Whichever of them starts again without the registry knows what any of them has served."""
    movies, numbers = (registry.get(name, alias="champion") for name in ("movies", "numbers"))
    path = tmp_path / "served.json"
    first, second = Remembered(path), Remembered(path)
    first.put(ModelKey("movies"), movies)
    second.put(ModelKey("numbers"), numbers)
    again = Remembered(path)
    assert [again.get(ModelKey(name)) for name in ("movies", "numbers")] == [movies, numbers]
    second.forget(ModelKey("movies"))
    assert Remembered(path).get(ModelKey("movies")) is None
    assert Remembered(path).get(ModelKey("numbers")) == numbers


def test_the_service_comes_up_without_the_registry(service: Service, registry: FakeRegistry, tmp_path: Path) -> None:
    """What was served last is served again after a restart, from this machine's copy."""
    with service() as client:
        assert titles(client) == "first item 1"
        assert titles(client, "&version=2") == "second item 1"
    registry.unreachable = True  # its files on this machine are not
    with service() as client:
        assert titles(client) == "first item 1"
        assert titles(client, "&version=2") == "second item 1"
        assert client.get("/recommendations/1?version=3").status_code == 503
