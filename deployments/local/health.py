"""Whether a service does its work, seen from outside: one look, no waiting."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Self

import httpx

from deployments.catch_up import beat_file
from deployments.local.record import StackRecord
from sluice.errors import ServiceRefusedError
from sluice.settings import Settings


class Health:
    """Looks at one stack's services. Use it in a ``with`` block.

    Args:
        since: a Prefect worker's heartbeat from before this moment (seconds of the epoch) does not count.
    """

    def __init__(self, record: StackRecord, settings: Settings, since: float = 0.0) -> None:
        self._record = record
        self._workers = settings.dask.workers
        self._pool = settings.prefect.pool
        self._auth = httpx.BasicAuth(*settings.prefect.account) if settings.prefect.account else None
        self._since = since
        self._beat_file = beat_file(settings)
        self._beat_seconds = 3 * settings.prefect.catch_up_seconds + 30
        # One client: making one costs more than a look, and `up` looks many times while services need the processor.
        self._client = httpx.Client(timeout=2.0, trust_env=False)
        self._probes: dict[str, Callable[[], bool]] = {
            "prefect-server": lambda: self._answers(f"{record.prefect_url}/health"),
            "mlflow": lambda: self._answers(f"{record.mlflow_uri}/health"),
            "dask-scheduler": lambda: self._answers(f"{record.dask_dashboard}/health"),
            "dask-workers": lambda: self.dask_workers() >= self._workers,
            "prefect-worker": self._worker_online,
            "catch-up": self._swept,
            "exporter": lambda: self._answers(f"{record.exporter_url}/livez"),
            "prometheus": lambda: self._answers(f"{record.prometheus_url}/-/ready"),
            "alertmanager": lambda: self._answers(f"{record.alertmanager_url}/-/ready"),
            "node-exporter": lambda: self._answers(record.node_exporter_url),
            # Alive, not ready: which models must be loaded is a setting, and a new platform has none.
            "serving": lambda: self._answers(f"{record.serving_url}/livez"),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def healthy(self, service: str) -> bool:
        """Whether the service with this name works. It may be asked from several threads.

        Raises:
            ServiceRefusedError: Prefect asks for another user and password than the settings have.
        """
        return self._probes[service]()

    def dask_workers(self) -> int:
        """How many workers the scheduler has."""
        try:
            answer = self._client.get(f"{self._record.dask_dashboard}/json/counts.json")
            return int(answer.json()["workers"])
        except (httpx.HTTPError, ValueError, KeyError):
            return 0

    def _answers(self, url: str) -> bool:
        try:
            return self._client.get(url).is_success
        except httpx.HTTPError:
            return False

    def _worker_online(self) -> bool:
        try:
            workers_url = f"{self._record.prefect_url}/work_pools/{self._pool}/workers/filter"
            answer = self._client.post(workers_url, json={}, auth=self._auth or httpx.USE_CLIENT_DEFAULT)
            if answer.status_code == httpx.codes.UNAUTHORIZED:
                hint = "Put user:password, as the stack was started with, into SLUICE_PREFECT__AUTH."
                raise ServiceRefusedError(service="Prefect", address=self._record.prefect_url, hint=hint)
            workers: list[Mapping[str, Any]] = answer.json() if answer.is_success else []
        except (httpx.HTTPError, ValueError):
            return False
        return any(worker["status"] == "ONLINE" and self._beats(worker) for worker in workers)

    def _swept(self) -> bool:
        try:
            beat = self._beat_file.stat().st_mtime
        except OSError:
            return False
        return beat >= self._since and time.time() - beat < self._beat_seconds

    def _beats(self, worker: Mapping[str, Any]) -> bool:
        beat = datetime.fromisoformat(worker["last_heartbeat_time"]).timestamp()
        return self._since <= beat <= time.time() + 1
