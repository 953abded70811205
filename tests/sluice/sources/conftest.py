"""What tests of several kinds of source share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sluice.settings import Settings
from tests.website import Website, website


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def site() -> Iterator[Website]:
    with website() as served:
        yield served


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """No test waits for a pause: the seconds that would have been slept."""
    slept: list[float] = []
    monkeypatch.setattr("sluice.sources.web.time.sleep", slept.append)
    return slept
