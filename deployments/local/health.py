"""Whether a service does its work, seen from outside: one look, no waiting."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime

import httpx

from deployments.local.record import StackRecord
from sluice.settings import Settings

Probe = Callable[[], bool]

_TIMEOUT = 2.0


def probes(record: StackRecord, settings: Settings, since: float = 0.0) -> Mapping[str, Probe]:
    """A probe for each service, by name. A worker's heartbeat from before ``since`` (epoch) does not count."""
    pool = settings.prefect.pool
    return {
        "prefect-server": lambda: _answers(f"{record.prefect_url}/health"),
        "mlflow": lambda: _answers(f"{record.mlflow_uri}/health"),
        "dask-scheduler": lambda: _answers(f"{record.dask_dashboard}/health"),
        "dask-workers": lambda: dask_workers(record) >= settings.dask.workers,
        "prefect-worker": lambda: _worker_online(record.prefect_url, pool, since),
        # Alive, not ready: which models must be loaded is a setting, and a new platform has none.
        "serving": lambda: _answers(f"{record.serving_url}/livez"),
    }


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=_TIMEOUT, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def dask_workers(record: StackRecord) -> int:
    """How many workers the scheduler has."""
    try:
        answer = httpx.get(f"{record.dask_dashboard}/json/counts.json", timeout=_TIMEOUT, trust_env=False)
        return int(answer.json()["workers"])
    except (httpx.HTTPError, ValueError, KeyError):
        return 0


def _worker_online(prefect_url: str, pool: str, since: float) -> bool:
    try:
        answer = httpx.post(
            f"{prefect_url}/work_pools/{pool}/workers/filter", json={}, timeout=_TIMEOUT, trust_env=False
        )
        workers = answer.json() if answer.is_success else []
    except (httpx.HTTPError, ValueError):
        return False
    return any(worker["status"] == "ONLINE" and _beat_after(worker, since) for worker in workers)


def _beat_after(worker: Mapping[str, str], since: float) -> bool:
    beat = datetime.fromisoformat(worker["last_heartbeat_time"]).timestamp()
    return since <= beat <= time.time() + 1
