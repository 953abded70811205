"""Any number of models: by alias and by version, within a budget of memory, and without the registry."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

from httpx import Client
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from prometheus_client import CollectorRegistry

from serving.cache import ModelCache
from serving.metrics import ServingMetrics
from serving.model_key import ModelKey
from serving.remembered import Remembered
from serving.served import LoadTimes, ServedModel, now
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


def test_the_one_not_asked_for_the_longest_makes_room(registry: FakeRegistry, tmp_path: Path) -> None:
    """Over the budget the idle model goes, what is required stays, and who asks for it again gets it."""
    for name in ("a", "b", "c"):
        registry.add(name, "1", tmp_path)
    loaded: list[str] = []

    def load(version: ModelVersion) -> tuple[ServedModel, LoadTimes]:
        loaded.append(version.name)
        signature = ModelSignature(Schema([ColSpec("double", "x")]))
        return ServedModel(version, cast("Any", None), signature, now(), tmp_path, size=40), LoadTimes(0, 0)

    async def as_it_is(before: ServedModel, served: ServedModel) -> ServedModel:
        return served

    async def ask() -> None:
        with ThreadPoolExecutor(1) as pool:
            metrics = ServingMetrics(CollectorRegistry())
            models = cast("ModelRegistry", registry)
            cache = ModelCache(
                models, metrics, pool, load, as_it_is, lambda _: None, lambda *_: None, Remembered(None), 100, ("a",)
            )
            for name in ("a", "b", "c"):
                await cache.get(ModelKey(name))
            assert [name for name in "abc" if cache.current(ModelKey(name))] == ["a", "c"]
            assert cache.names() == ["a", "b", "c"]
            assert ModelKey("b") not in cache.followed()
            await cache.get(ModelKey("b"))
            assert [name for name in "abc" if cache.current(ModelKey(name))] == ["a", "b"]

    asyncio.run(ask())
    assert loaded == ["a", "b", "c", "b"]


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
