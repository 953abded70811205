"""A service with the models of these tests and a platform in memory, and a browser that looks at it."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser
from pydantic import SecretStr

import serving.app
from sluice.embedded_documents import EmbeddedDocuments
from sluice.settings import ServingSettings, Settings
from tests import browser as browsers
from tests.serving.conftest import serve
from tests.serving.console.models import save_recommender, save_screening
from tests.serving.console.platform import FakePlatform
from tests.serving.fakes import FakeDocuments, FakeRegistry, eventually

KEY = "sluice_bootstrapkey_" + "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def console_registry(tmp_path_factory: pytest.TempPathFactory) -> FakeRegistry:
    root = tmp_path_factory.mktemp("console-models")
    registry = FakeRegistry()
    registry.add("movies", "1", save_recommender(root / "movies"))
    for version, threshold in (("1", 140.0), ("2", 120.0)):
        registry.add("diabetes", version, save_screening(root / f"diabetes-{version}", threshold), alias=None)
    registry.set_alias("diabetes", "champion", "1")
    return registry


@pytest.fixture(scope="module")
def platform(console_registry: FakeRegistry) -> FakePlatform:
    return FakePlatform(console_registry)


@pytest.fixture(scope="module")
def console(
    console_registry: FakeRegistry, platform: FakePlatform, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a service that asks for no keys."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving.app, "operate_routers", lambda operations: [platform.router()])
        app = serving.app.build_app(
            Settings(
                home=tmp_path_factory.mktemp("console-home"),
                serving=ServingSettings(models=("movies", "diabetes"), refresh_seconds=0.05),
            ),
            console_registry,  # type: ignore[arg-type]
            lambda: FakeDocuments(),  # type: ignore[return-value, arg-type]
        )
    with serve(app) as address:
        eventually(lambda: httpx.get(f"{address}/readyz", trust_env=False).status_code == 200)
        yield address


@pytest.fixture(scope="module")
def keyed(console_registry: FakeRegistry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service that asks for keys, over a real document store; `KEY` is one."""
    home = tmp_path_factory.mktemp("keyed-home")
    chosen = ServingSettings(models=("movies",), auth="required", bootstrap_key=SecretStr(KEY))
    app = serving.app.build_app(
        Settings(home=home, serving=chosen),
        console_registry,  # type: ignore[arg-type]
        lambda: EmbeddedDocuments(str(home / "documents.db")),
    )
    with serve(app) as address:
        eventually(lambda: httpx.get(f"{address}/readyz", trust_env=False).status_code == 200)
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsers.started() as browser:
        yield browser
