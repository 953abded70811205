"""What was predicted, from which features, for whom: memory, then the spool, then the document store.

A caller pays an append to a queue. A thread writes what is queued to the spool, at least once in each flush window, and
another one ships the spool to the collections ``<model>_predictions``, each prediction once.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from zlib import crc32

from loguru import logger
from prometheus_client import CollectorRegistry, Counter, Gauge

from serving.background import give_way
from serving.prediction_id import id_maker
from serving.prediction_lines import Lines, Prediction, prefix
from serving.shipper import Shipper
from serving.spool import Spool
from serving.trouble import Trouble
from sluice.documents import DocumentStore
from sluice.errors import SpoolFullError
from sluice.settings import PredictionLogSettings

# In memory, while the disk hangs: two to three seconds of the highest rate that was measured.
MOST_WAITING = 20_000
CLOSE_SECONDS = 3.0
# The writer holds the interpreter for some tenths of a millisecond, and lets the event loop have it in between.
AT_ONCE = 64
PAUSE_SECONDS = 0.0005
LONGEST_LOOK_SECONDS = 0.05

LOST = ("memory", "spool", "disk", "refused")


@dataclass
class _Policy:
    sample: float = 1.0
    redacted: frozenset[str] = frozenset()
    left_out: int = 0
    threshold: int = field(init=False)

    def __post_init__(self) -> None:
        self.threshold = round(self.sample * 2**32)

    def keeps(self, id: str) -> bool:
        # By the id, so that every server says the same of it, and later too.
        return crc32(id.encode()) < self.threshold


class PredictionLog:
    """`record` and `new_id` are for the event loop and never wait; what cannot be kept is counted as lost.

    Args:
        folder: of the spool, which processes of one machine share.
        open_store: called in a background thread when the store is first needed.
        instance: this process, in the name of its part of the folder.
    """

    def __init__(
        self,
        folder: Path,
        open_store: Callable[[], DocumentStore],
        instance: str,
        settings: PredictionLogSettings,
        registry: CollectorRegistry,
    ) -> None:
        self.new_id = id_maker()
        self._flush_seconds = settings.flush_seconds
        self._waiting: deque[Prediction] = deque()
        self._policies: dict[tuple[str, str], _Policy] = {}
        self._overflown = 0
        self._lines = Lines()
        self._buffer: list[bytes] = []
        self._spool = Spool(folder, instance, settings.max_mib << 20)
        self._closing = threading.Event()
        self._memory_trouble = Trouble("The prediction log cannot write fast enough", "The newest are lost.")
        self._disk_trouble = Trouble("The prediction log cannot write", "Predictions are answered and not kept.")
        backlog = Gauge("sluice_prediction_log_backlog", "Predictions that wait for the store.", registry=registry)
        backlog.set_function(lambda: len(self._waiting) + len(self._buffer) + self._spool.lines)
        self._lost = Counter(
            "sluice_prediction_log_lost_total",
            "Predictions that were answered and are not in the log, by what was full or refused them.",
            ("reason",),
            registry=registry,
        )
        for reason in LOST:
            self._lost.labels(reason)
        self._written = Counter(
            "sluice_prediction_log_written_total", "Predictions in the store.", ("model",), registry=registry
        )
        self._sampled_out = Counter(
            "sluice_prediction_log_sampled_out_total",
            "Predictions that the model's sample leaves out.",
            ("model",),
            registry=registry,
        )
        self._shipper = Shipper(self._spool, open_store, self._written, self._lost.labels("refused"))
        self._writer = threading.Thread(target=self._write, name="prediction log", daemon=True)

    def set_policy(self, model: str, version: str, sample: float = 1.0, redact: frozenset[str] = frozenset()) -> None:
        """What is kept of a version's predictions from now on. Call it once for each, when it is loaded.

        Args:
            sample: the share of predictions that is kept, from 0 to 1.
            redact: columns and keys whose values are null in all that is written, of features and of output.
        """
        self._written.labels(model)
        self._sampled_out.labels(model)
        known = self._policies.get((model, version))
        if known is None or (known.sample, known.redacted) != (sample, redact):
            self._policies[model, version] = _Policy(sample, redact, known.left_out if known else 0)

    def keeps(self, model: str, prediction_id: str) -> bool:
        """Whether a prediction with this id is in the sample of the model, whichever version it may be of."""
        found = [policy for (name, _), policy in list(self._policies.items()) if name == model]
        return not found or any(policy.keeps(prediction_id) for policy in found)

    def record(self, prediction: Prediction) -> None:
        policy = self._policies.get((prediction.model, prediction.version))
        if policy is not None and policy.sample < 1 and not policy.keeps(prediction.id):
            policy.left_out += 1
        elif len(self._waiting) < MOST_WAITING:
            self._waiting.append(prediction)
        else:
            self._overflown += 1

    def keep(self, collection: str, document: str) -> None:
        """Write another document, encoded and with an id, to the spool now; it blocks until the disk has it.

        Raises:
            SpoolFullError: there is no room.
            OSError: the disk is full, or gone.
        """
        self._spool.append(b"%b%b\n" % (prefix(collection, ""), document.encode()), 1)

    def start(self) -> None:
        self._writer.start()
        self._shipper.start()

    def close(self) -> None:
        """Write all that was recorded to the spool, and let the store have what it takes in some seconds."""
        self._closing.set()
        if self._writer.ident is not None:
            self._writer.join()
        self._shipper.close(CLOSE_SECONDS)
        self._spool.close()

    def _write(self) -> None:
        give_way()
        # A look comes at most so much after a prediction, and the flush at most so much after the look.
        look = min(self._flush_seconds / 10, LONGEST_LOOK_SECONDS)
        due = float("inf")
        while True:
            closing = self._closing.wait(look)
            if self._waiting:
                due = min(due, monotonic() + self._flush_seconds - 3 * look)
                self._take()
            if closing or monotonic() >= due:
                due = float("inf")
                self._flush()
            self._count()
            if closing:
                return

    def _take(self) -> None:
        for _ in range(0, len(self._waiting), AT_ONCE):
            for _ in range(min(AT_ONCE, len(self._waiting))):
                prediction = self._waiting.popleft()
                policy = self._policies.get((prediction.model, prediction.version))
                try:
                    self._buffer += self._lines.of(prediction, policy.redacted if policy else frozenset())
                except Exception:
                    self._lost.labels("refused").inc()
                    logger.exception("The log cannot hold {} of {}.", prediction.id, prediction.model)
            sleep(PAUSE_SECONDS)

    def _flush(self) -> None:
        count = len(self._buffer)
        if not count:
            return
        try:
            self._spool.append(b"".join(self._buffer), count)
            self._disk_trouble.is_over()
        except (SpoolFullError, OSError) as error:
            self._lost.labels("spool" if isinstance(error, SpoolFullError) else "disk").inc(count)
            self._disk_trouble.goes_on(error)
        self._buffer.clear()  # not before: until the disk has them, they count as waiting here

    def _count(self) -> None:
        if self._overflown:
            lost, self._overflown = self._overflown, 0
            self._lost.labels("memory").inc(lost)
            self._memory_trouble.goes_on(f"{MOST_WAITING} wait in memory.")
        elif not self._waiting:
            self._memory_trouble.is_over()
        for (model, _), policy in list(self._policies.items()):
            if policy.left_out:
                left_out, policy.left_out = policy.left_out, 0
                self._sampled_out.labels(model).inc(left_out)
