"""The service as a process of its own, on a model that takes as long as a request says. Run by `test_drain`."""

import sys
from pathlib import Path

from fakes import DOUBLER, ROWS, Doubler, FakeRegistry, save

import serving.app
from serving.__main__ import main
from sluice.settings import Settings


def open_registry(settings: Settings) -> FakeRegistry:
    registry = FakeRegistry()
    registry.add("numbers", "1", save(Path(sys.argv[1]), Doubler(), DOUBLER, ROWS))
    return registry


if __name__ == "__main__":
    serving.app.open_registry = open_registry  # type: ignore[assignment]
    main()
