"""Log lines to Loki without an agent: in batches from a thread, never in the way of whoever logs.

https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs, with structured metadata. Labels are few and
bounded; ids are metadata. `sluice.loki_logs` reads what is here.
"""

import gzip
import json
import random
import socket
import sys
import threading
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, NamedTuple

from loguru import logger

from observability.ending import at_end
from sluice.settings import LogSettings, Settings, without_credentials

Push = Callable[[float, Mapping[str, Any], str], None]

LABELS = ("cluster", "env", "namespace", "service_name", "container", "level")
# Of a line, where it has them; and the host as ``pod``.
METADATA = ("trace_id", "span_id", "flow_run_id", "task_run_id", "deployment", "model", "model_version")
LEVELS = frozenset({"TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL"})

BATCH_SECONDS = 1.0
MOST_LINES, MOST_BYTES = 1_000, 1 << 20  # of one request
MOST_WAITING, MOST_WAITING_BYTES = 20_000, 32 << 20
_LONGEST_LINE = 200_000  # Loki refuses 256 KB
_TIMEOUT_SECONDS = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_TOO_MANY, _SERVER_ERROR = 429, 500


class Line(NamedTuple):
    """``at`` in nanoseconds since the epoch."""

    at: int
    level: str
    text: str
    metadata: dict[str, str]


class LokiPush:
    """Call it with a line; it returns at once, and the oldest lines are dropped while Loki takes none.

    Args:
        labels: of every line of this process, without ``level``.
    """

    def __init__(self, settings: LogSettings, labels: Mapping[str, str]) -> None:
        self._url = f"{settings.loki_url.rstrip('/')}/loki/api/v1/push"
        self._shown = without_credentials(settings.loki_url)
        self._headers = _headers(settings)
        self._labels = dict(labels)
        self._pod = socket.gethostname()
        self._waiting: deque[Line] = deque()
        self._bytes = 0  # of the texts that wait, in memory
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._deadline = float("inf")
        self._thread: threading.Thread | None = None
        self.dropped = 0
        self.refused = 0
        self._away = False
        self._told_refused = False

    def __call__(self, at: float, fields: Mapping[str, Any], text: str) -> None:
        if threading.current_thread() is self._thread:
            return  # what sending says must not be sent in turn
        metadata = {name: str(fields[name]) for name in METADATA if fields.get(name) is not None}
        level = fields["level"] if fields["level"] in LEVELS else "INFO"
        line = Line(int(at * 1e6) * 1000, level, text[:_LONGEST_LINE], {"pod": self._pod, **metadata})
        with self._lock:
            self._waiting.append(line)
            self._bytes += sys.getsizeof(line.text)
            while len(self._waiting) > MOST_WAITING or self._bytes > MOST_WAITING_BYTES:
                self._oldest()
                self.dropped += 1
            if self._thread is None and not self._ending.is_set():
                self._thread = threading.Thread(target=self._run, name="loki", daemon=True)
                self._thread.start()
        if len(self._waiting) >= MOST_LINES:
            self._wake.set()

    def _oldest(self) -> Line:
        line = self._waiting.popleft()
        self._bytes -= sys.getsizeof(line.text)
        return line

    def close(self, seconds: float) -> None:
        """Send what waits, for so long at most."""
        self._deadline = monotonic() + seconds
        self._ending.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        import httpx

        # Not from the environment: a proxy that is meant for the outside would get the log.
        with httpx.Client(timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
            while True:
                self._wake.wait(BATCH_SECONDS)
                self._wake.clear()
                while batch := self._batch():
                    try:
                        if not self._send(client, batch):
                            return
                    except Exception as error:  # else nothing would be sent any more, and nobody would know
                        self._refuse(len(batch), repr(error))
                if self._ending.is_set():
                    return

    def _batch(self) -> list[Line]:
        found: list[Line] = []
        size = 0
        with self._lock:
            while self._waiting and len(found) < MOST_LINES and size < MOST_BYTES:
                found.append(self._oldest())
                size += len(found[-1].text)
        return found

    def _send(self, client: Any, batch: list[Line]) -> bool:
        """Until it is taken or refused. False: the process ends, and there was no time for it."""
        import httpx

        body = gzip.compress(json.dumps({"streams": self._streams(batch)}).encode("utf-8", "replace"), 5)
        pause = _FIRST_PAUSE
        while (left := self._deadline - monotonic()) > 0:
            try:
                answer = client.post(
                    self._url, content=body, headers=self._headers, timeout=min(_TIMEOUT_SECONDS, left)
                )
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                problem = type(error).__name__
            else:
                if answer.is_success:
                    self._back()
                    return True
                problem = f"{answer.status_code} {answer.text[:200].strip()}"
                if answer.status_code < _SERVER_ERROR and answer.status_code != _TOO_MANY:
                    self._refuse(len(batch), problem)
                    return True
            self._gone(problem)
            # With jitter: many processes lost it in the same moment.
            self._ending.wait(min(pause * random.uniform(0.5, 1), max(0, self._deadline - monotonic())))
            if self._ending.is_set():  # then Event.wait gives no pause any more
                threading.Event().wait(min(0.2, max(0, self._deadline - monotonic())))
            pause = min(2 * pause, _LONGEST_PAUSE)
        return False

    def _streams(self, batch: list[Line]) -> list[dict[str, Any]]:
        streams: dict[str, list[list[Any]]] = {}
        for line in batch:
            streams.setdefault(line.level, []).append([str(line.at), line.text, line.metadata])
        return [
            {"stream": {**self._labels, "level": level}, "values": values} for level, values in sorted(streams.items())
        ]

    def _gone(self, problem: str) -> None:
        if not self._away:
            self._away = True
            logger.warning("Loki at {} takes no lines: {}. They wait; the oldest go first.", self._shown, problem)

    def _back(self) -> None:
        if self._away:
            self._away = False
            with self._lock:
                dropped, self.dropped = self.dropped, 0
            logger.warning("Loki at {} takes lines again; {} were dropped.", self._shown, dropped)

    def _refuse(self, lines: int, problem: str) -> None:
        self.refused += lines
        if not self._told_refused:
            self._told_refused = True
            logger.error("Loki at {} does not get lines, which are dropped from here on: {}", self._shown, problem)


def labels_of(settings: Settings, service: str) -> dict[str, str]:
    """Every label but ``level``. Outside of Kubernetes a service is its own container."""
    return {
        "cluster": settings.logs.cluster,
        "env": settings.env,
        "namespace": settings.logs.namespace,
        "service_name": service,
        "container": service,
    }


_pushing: dict[tuple[str, str], LokiPush] = {}


def pusher(settings: Settings, service: str) -> Push | None:
    """The one of this process for this address and service; None where nothing is sent."""
    if not settings.logs.push:
        return None
    key = (settings.logs.loki_url, service)
    if key not in _pushing:
        _pushing[key] = LokiPush(settings.logs, labels_of(settings, service))
        at_end(_pushing[key].close)
    return _pushing[key]


def _headers(settings: LogSettings) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    if settings.loki_tenant:
        headers["X-Scope-OrgID"] = settings.loki_tenant
    auth = settings.loki_auth.get_secret_value()
    if ":" in auth:
        headers["Authorization"] = f"Basic {b64encode(auth.encode()).decode()}"
    elif auth:
        headers["Authorization"] = f"Bearer {auth}"
    return headers
