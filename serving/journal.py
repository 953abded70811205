"""Which version answered from when to when, on which instance: the audit trail in the document store."""

import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from queue import Empty, Full, Queue
from typing import Any

from loguru import logger

from serving.background import give_way
from serving.served import ServedModel, now
from sluice.documents import DocumentStore

COLLECTION = "model_servings"
WAITING = 1000
RETRY_SECONDS = 5.0
CLOSE_SECONDS = 3.0


def instance_name() -> str:
    """This process, as it stands in the trail: host (on Kubernetes the pod) and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


@dataclass(frozen=True)
class _Entry:
    """A serving that began (``until`` is None) or ended."""

    key: dict[str, Any]
    until: datetime | None


class ServingJournal:
    """Writes {model, version, instance, since, until} in a thread of its own, best effort.

    Serving never waits for it: while the store is away entries wait in memory, in their order, and
    beyond `WAITING` of them the newest are dropped with a log line.
    """

    def __init__(self, open_store: Callable[[], DocumentStore], instance: str) -> None:
        self._open_store = open_store
        self._instance = instance
        self._entries: Queue[_Entry] = Queue(WAITING)
        self._current: dict[str, dict[str, Any]] = {}
        self._closing = threading.Event()
        # A daemon, since a store that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._write_all, name="journal", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def swapped(self, name: str, served: ServedModel | None) -> None:
        """Another version answers from now on, or none any more."""
        at = now()
        self._end(name, at)
        if served is not None:
            # Not since it was loaded, which it may have been long before under its number or another alias.
            key = {"model": name, "version": served.version.version, "instance": self._instance, "since": at}
            self._current[name] = key
            self._put(_Entry(key, None))

    def close(self) -> None:
        """End every serving that is open, and wait shortly for the store to take it."""
        until = now()
        for name in list(self._current):
            self._end(name, until)
        self._closing.set()
        self._thread.join(CLOSE_SECONDS)

    def _end(self, name: str, until: datetime) -> None:
        key = self._current.pop(name, None)
        if key is not None:
            self._put(_Entry(key, until))

    def _put(self, entry: _Entry) -> None:
        try:
            self._entries.put_nowait(entry)
        except Full:
            logger.warning("The serving journal is full; it will not tell of {}.", entry.key)

    def _write_all(self) -> None:
        give_way()
        store: DocumentStore | None = None
        while not (self._closing.is_set() and self._entries.empty()):
            try:
                entry = self._entries.get(timeout=0.2)
            except Empty:
                continue
            store = self._write(store, entry)
            if store is None:
                return
        if store is not None:
            store.close()

    def _write(self, store: DocumentStore | None, entry: _Entry) -> DocumentStore | None:
        """Write one entry, as often as it takes; None when the process ends first."""
        failed = False
        while True:
            try:
                store = store or self._open_store()
                if entry.until is None:
                    store.insert(COLLECTION, [{**entry.key, "until": None}])
                else:
                    store.update(COLLECTION, entry.key, {"until": entry.until})
                return store
            except Exception as error:
                if not failed:
                    logger.warning("The serving journal waits for the document store: {}", error)
                failed = True
            if self._closing.wait(RETRY_SECONDS):
                logger.warning("The serving journal ends without {}.", entry.key)
                return None
