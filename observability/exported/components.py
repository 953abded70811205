"""Whether what the platform stands on answers: one question each, of a few seconds at most."""

from collections.abc import Callable, Mapping
from threading import Event, Thread

import httpx
from loguru import logger
from prometheus_client import CollectorRegistry, Gauge

from sluice.documents import DocumentStore
from sluice.mlflow_health import ping
from sluice.settings import Settings

EVERY_SECONDS = 5.0
_LIMIT = 3.0
Ask = Callable[[], object]


class Components:
    """``sluice_component_up{component}``. Each has a thread: one that does not answer delays no other.

    Args:
        questions: by component; one raises where there is no answer.
    """

    def __init__(self, questions: Mapping[str, Ask], registry: CollectorRegistry) -> None:
        self._questions = dict(questions)
        self._up = Gauge("sluice_component_up", "1 while it answers.", ("component",), registry=registry)
        self._ending = Event()
        self._down: set[str] = set()

    def start(self) -> None:
        for name in self._questions:
            Thread(target=self._follow, args=(name,), name=f"is {name} up", daemon=True).start()

    def close(self) -> None:
        self._ending.set()

    def ask(self, name: str) -> bool:
        """Once; the first time that there is no answer, and the first time that there is one again, are logged."""
        try:
            self._questions[name]()
        except Exception as error:
            if name not in self._down:
                logger.warning("{} does not answer: {}", name, error)
            self._down.add(name)
            self._up.labels(name).set(0)
            return False
        if name in self._down:
            logger.info("{} answers again.", name)
        self._down.discard(name)
        self._up.labels(name).set(1)
        return True

    def _follow(self, name: str) -> None:
        while not self._ending.is_set():
            self.ask(name)
            self._ending.wait(EVERY_SECONDS)


def questions(settings: Settings, documents: DocumentStore) -> dict[str, Ask]:
    """Of what the settings name; a platform without a Dask scheduler of its own has none to ask."""
    serving = settings.exporter.serving_url or f"http://{_reachable(settings.serving.host)}:{settings.serving.port}"
    found: dict[str, Ask] = {
        "prefect": lambda: _get(f"{settings.prefect.url.rstrip('/')}/health", settings.prefect.account),
        "mlflow": lambda: ping(settings.mlflow.uri, settings.mlflow.account),
        "documents": documents.ping,
        "serving": lambda: _get(f"{serving.rstrip('/')}/livez"),
    }
    if settings.dask.address:
        found["dask"] = lambda: _get(f"{settings.dask_dashboard}/health")
    return found


def _get(url: str, account: tuple[str, str] | None = None) -> None:
    httpx.get(url, timeout=_LIMIT, trust_env=False, auth=account).raise_for_status()


def _reachable(host: str) -> str:
    """Where a server that listens on every address is asked."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - it is asked, not listened on
    return f"[{host}]" if ":" in host else host
