"""Tiny real models, saved once for the session, and a service over a fake registry."""

import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import uvicorn
from httpx import Client

from serving.app import App, build_app
from sluice.documents import DocumentStore
from sluice.embedded_documents import EmbeddedDocuments
from sluice.mongo_documents import MongoDocuments
from sluice.settings import ServingSettings, Settings
from tests.mongodb import wire_server
from tests.serving import fakes
from tests.serving.fakes import FakeDocuments, FakeRegistry, eventually

Service = Callable[..., AbstractContextManager[Client]]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Saved models by what they are like."""
    root = tmp_path_factory.mktemp("models")
    return {
        "first": fakes.save(root / "first", fakes.Recommender("first"), fakes.RECOMMENDER, fakes.USERS),
        "second": fakes.save(root / "second", fakes.Recommender("second"), fakes.RECOMMENDER, fakes.USERS),
        "doubler": fakes.save(root / "doubler", fakes.Doubler(), fakes.DOUBLER, fakes.ROWS),
        "failing": fakes.save(root / "failing", fakes.FailingExample(), fakes.RECOMMENDER, fakes.USERS),
        "unloadable": fakes.save(root / "unloadable", fakes.Unloadable(), fakes.RECOMMENDER, None),
        "unsigned": fakes.save(root / "unsigned", fakes.Recommender("unsigned"), None, None),
    }


@pytest.fixture
def registry(models: dict[str, Path]) -> FakeRegistry:
    """movies 1 is champion, 2 to 5 wait; numbers is a model that recommends nothing."""
    registry = FakeRegistry()
    registry.add("movies", "1", models["first"])
    registry.add("movies", "2", models["second"], alias=None)
    registry.add("movies", "3", models["failing"], alias=None)
    registry.add("movies", "4", models["unloadable"], alias=None)
    registry.add("movies", "5", models["unsigned"], alias=None)
    registry.add("numbers", "1", models["doubler"])
    return registry


@pytest.fixture
def documents() -> FakeDocuments:
    return FakeDocuments()


@contextmanager
def serve(app: App) -> Iterator[str]:
    """The app on a real server, as it runs in production, on a free port; gives its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, loop="uvloop", http="httptools", log_config=None, access_log=False)
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, name="uvicorn")
        thread.start()
        try:
            eventually(lambda: server.started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True  # what SIGTERM sets
            thread.join(30)
        assert not thread.is_alive()


@pytest.fixture
def service(registry: FakeRegistry, documents: FakeDocuments, tmp_path: Path) -> Service:
    """Starts the service with given settings and waits until its configured models were tried."""

    @contextmanager
    def start(**settings: Any) -> Iterator[Client]:
        chosen = ServingSettings(**{"models": ("movies",), "refresh_seconds": 0.02, **settings})
        app = build_app(
            Settings(home=tmp_path, serving=chosen),
            registry,  # type: ignore[arg-type]
            lambda: documents,  # type: ignore[return-value, arg-type]
        )
        with serve(app) as address, Client(base_url=address, timeout=30, trust_env=False) as client:
            if not settings.get("required"):
                eventually(lambda: client.get("/readyz").status_code == 200)
            yield client

    return start


@pytest.fixture(scope="session")
def mongodb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with wire_server(tmp_path_factory.mktemp("mongodb")) as uri:
        yield uri


@pytest.fixture(params=["embedded", "mongodb"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], DocumentStore]:
    """Opens a real document store; each call gives another connection to the same."""
    if request.param == "embedded":
        return lambda: EmbeddedDocuments(str(tmp_path / "documents.db"))
    uri, database = request.getfixturevalue("mongodb"), f"test_{uuid.uuid4().hex[:8]}"
    return lambda: MongoDocuments(uri, database)


@pytest.fixture
def documents_in(open_store: Callable[[], DocumentStore]) -> Iterator[DocumentStore]:
    store = open_store()
    yield store
    store.close()
