"""Predictions, a log of them, and a document store with moods."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from serving.prediction_lines import Prediction
from serving.prediction_log import PredictionLog
from sluice.documents import DocumentStore
from sluice.errors import ServiceUnavailableError
from sluice.settings import PredictionLogSettings

FLUSH_SECONDS = 0.1


def prediction(id: str, **fields: Any) -> Prediction:
    given = {
        "at": time.time(), "model": "movies", "version": "3", "columns": ("a", "b"), "rows": [[1, "x"]],
        "output": [0.5], "seconds": 0.001, "caller": "shop", "route": "/invocations", **fields,
    }  # fmt: skip
    return Prediction(id=id, **given)


@contextmanager
def logging_to(
    folder: Path, open_store: Callable[[], DocumentStore], registry: CollectorRegistry | None = None, **settings: Any
) -> Iterator[PredictionLog]:
    """A log that runs; when it is left, it is closed as the service closes it."""
    chosen = PredictionLogSettings(**{"flush_seconds": FLUSH_SECONDS, **settings})
    log = PredictionLog(folder, open_store, "test:1", chosen, registry or CollectorRegistry())
    log.start()
    try:
        yield log
    finally:
        log.close()


class Moody:
    """A real store that can be away, that can say so after it has done what it was asked for, and that can hang."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self.away = False
        self.fails_after: set[str] = set()
        self.calls = 0
        self.answers = threading.Event()
        self.answers.set()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def call(*arguments: Any, **named: Any) -> Any:
            self.calls += 1
            self.answers.wait()
            if self.away and name != "close":
                raise unavailable()
            result = method(*arguments, **named)
            if name in self.fails_after:
                self.fails_after.discard(name)
                raise unavailable()
            return result

        return call


def unavailable() -> ServiceUnavailableError:
    return ServiceUnavailableError(service="The document store", address="here", hint="Wait.")
