"""The service as a process of its own over `tests.serving.fuzzing.models`. ``python -m`` it with their folder."""

import sys
from pathlib import Path

import serving.app
from serving.__main__ import main
from sluice.settings import Settings
from tests.serving.fakes import FakeRegistry
from tests.serving.fuzzing.models import NAMES, TAGS


def open_registry(settings: Settings) -> FakeRegistry:
    registry = FakeRegistry()
    for name in NAMES:
        registry.add(name, "1", Path(sys.argv[1]) / name, tags=TAGS.get(name))
    return registry


if __name__ == "__main__":
    serving.app.open_registry = open_registry  # type: ignore[assignment]
    main()
