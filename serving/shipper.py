"""From the spool to the document store: every line once, in batches, in a thread of its own."""

import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from urllib.parse import unquote

from loguru import logger
from prometheus_client import Counter

from serving.background import give_way
from serving.spool import Segment, Spool
from serving.trouble import Trouble
from sluice.documents import DocumentStore
from sluice.errors import DocumentRefusedError

# What is read and inserted at once: some two thousand lines, which share one wait for the store's disk.
BATCH_BYTES = 1 << 20
IDLE_SECONDS = 0.25
ADOPT_SECONDS = 30.0
LEAST_RETRY_SECONDS, MOST_RETRY_SECONDS = 0.25, 5.0

_PLACE = re.compile(rb"(\w+) ([\w%.~-]*)")


class Shipper:
    """Empties the spool. A batch that may or may not have arrived is sent again: ids are unique in the store.

    ``written`` counts documents by model, ``refused`` those that the store will never take.
    """

    def __init__(
        self, spool: Spool, open_store: Callable[[], DocumentStore], written: Counter, refused: Counter
    ) -> None:
        self._spool = spool
        self._open_store = open_store
        self._written, self._refused = written, refused
        self._store: DocumentStore | None = None
        self._unique: set[str] = set()
        self._closing = threading.Event()
        self._deadline = 0.0
        self._trouble = Trouble("The document store takes no predictions", "They wait in the spool.")
        self._folder_trouble = Trouble("The spool of earlier processes cannot be read", "What they left waits.")
        # A daemon, since a store that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="shipper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, seconds: float) -> None:
        """Ship what is there, for so many seconds at most; the rest is for the next process."""
        self._deadline = monotonic() + seconds
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join(seconds + 1)

    @property
    def _stopped(self) -> bool:
        return self._closing.is_set() and monotonic() >= self._deadline

    def _run(self) -> None:
        give_way()
        adopted, wait = float("-inf"), LEAST_RETRY_SECONDS
        while not self._stopped:
            try:
                closing = self._closing.is_set()
                if monotonic() - adopted >= ADOPT_SECONDS and not closing:
                    adopted = monotonic()
                    self._adopt()
                segment = self._spool.oldest()
                if segment is None:
                    if closing:
                        break
                    self._closing.wait(IDLE_SECONDS)
                    continue
                self._ship(segment)
                self._trouble.is_over()
                wait = LEAST_RETRY_SECONDS
            except Exception as error:  # whatever it is, the lines are in the spool
                self._trouble.goes_on(error)
                self._unique.clear()  # it may come back as another one
                if self._closing.wait(wait):
                    break
                wait = min(wait * 2, MOST_RETRY_SECONDS)
        if self._store is not None:
            self._store.close()

    def _adopt(self) -> None:
        try:
            self._spool.adopt()
            self._folder_trouble.is_over()
        except OSError as error:
            self._folder_trouble.goes_on(error)

    def _ship(self, segment: Segment) -> None:
        if self._store is None:
            self._store = self._open_store()
        try:
            for collection, model, documents in _batches(segment):
                if self._stopped:
                    return
                if collection not in self._unique:
                    self._store.unique(collection, ["id"])
                    self._unique.add(collection)
                added = self._insert(self._store, collection, documents)
                if model:
                    self._written.labels(model).inc(added)
        except FileNotFoundError:
            logger.error("The spool's {} was removed by somebody; {} lines are lost.", segment.path, segment.lines)
            self._refused.inc(segment.lines)
        self._spool.remove(segment)

    def _insert(self, store: DocumentStore, collection: str, documents: Sequence[bytes]) -> int:
        try:
            return store.insert_encoded(collection, documents)
        except DocumentRefusedError as error:
            if len(documents) > 1:
                middle = len(documents) // 2
                halves = (documents[:middle], documents[middle:])
                return sum(self._insert(store, collection, half) for half in halves)
            self._refused.inc()
            logger.error("Not kept: {} It began {!r}.", error, documents[0][:120])
            return 0


def _batches(segment: Segment) -> Iterator[tuple[str, str, list[bytes]]]:
    """Collections, models and their documents; a line that was cut is left out."""
    with segment.path.open("rb") as file:
        while lines := file.readlines(BATCH_BYTES):
            if not lines[-1].endswith(b"\n"):
                lines.pop()
            together = defaultdict(list)
            for line in lines:
                # Without a look into the document: this runs beside the event loop.
                start, _, rest = line.partition(b" {")
                together[start].append(b"{" + rest)
            for start, documents in together.items():
                if place := _PLACE.fullmatch(start):
                    yield place[1].decode(), unquote(place[2].decode()), documents
                else:
                    logger.error("{}: {} lines are none of ours: {!r}", segment.path, len(documents), start[:120])
