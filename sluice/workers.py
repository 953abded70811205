"""Who works: Prefect's workers, which start runs, and Dask's, which run tasks."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, Field

from sluice.errors import ServiceUnavailableError
from sluice.runs import UNDER_WAY, PrefectRuns
from sluice.settings import Settings, is_loopback

W = TypeVar("W")
# States of a task on a Dask worker that is not yet done with it.
_IN_HAND = frozenset({"waiting", "ready", "constrained", "executing", "long-running", "resumed", "rescheduled"})
_SECONDS = 3.0  # for an answer of the scheduler
_PER_RUN = "Each run of a stage has a Dask cluster of its own, while it is on. kubectl get daskclusters lists them."
_OURS = "sluice"  # the metric that `flows.dask_worker` adds


class PrefectWorker(BaseModel):
    """A process that starts runs of one work pool."""

    model_config = ConfigDict(frozen=True)

    name: str
    pool: str
    type: str = Field(description="of its pool: process, kubernetes")
    host: str | None = Field(None, description="null where that is not known")
    status: str = Field(description="ONLINE or OFFLINE")
    last_heartbeat: datetime | None = None
    runs_in_hand: int = Field(description="under way")


class Memory(BaseModel):
    model_config = ConfigDict(frozen=True)

    used: int | None = Field(None, description="bytes")
    limit: int | None = Field(None, description="bytes; null: none")


class DaskWorker(BaseModel):
    """A process that runs tasks."""

    model_config = ConfigDict(frozen=True)

    name: str
    address: str
    host: str
    pid: int | None = Field(None, description="null where the worker was not started by Sluice")
    threads: int
    memory: Memory
    cpu: float | None = Field(None, description="per cent of one core")
    status: str = Field(description="running, paused, closing_gracefully")
    last_heartbeat: datetime
    tasks_in_hand: int = Field(description="Dask tasks, those of a fan-out too")
    tasks_done: int | None = Field(None, description="since the worker started; null as for pid")


class Workers(BaseModel):
    """Everybody who answers. ``problems``: a line for each of the two that does not.

    ``note`` says why no Dask worker is among them where that is as it should be.
    """

    model_config = ConfigDict(frozen=True)

    prefect: list[PrefectWorker] = []
    dask: list[DaskWorker] = []
    problems: list[str] = []
    note: str = ""


def all_workers(prefect: PrefectRuns, settings: Settings) -> Workers:
    """Those of Prefect and those of Dask; the one that does not answer is a line of ``problems``."""
    problems: list[str] = []

    def told(ask: Callable[[], list[W]]) -> list[W]:
        try:
            return ask()
        except ServiceUnavailableError as error:
            problems.append(str(error))
            return []

    ours = told(lambda: prefect_workers(prefect, settings.prefect.url))
    if settings.dask.per_run.spec is not None:
        return Workers(prefect=ours, problems=problems, note=_PER_RUN)
    return Workers(prefect=ours, dask=told(lambda: dask_workers(settings.dask_dashboard)), problems=problems)


def prefect_workers(prefect: PrefectRuns, url: str) -> list[PrefectWorker]:
    """Of all pools, by pool and name.

    Args:
        url: the server's; a worker does not tell where it is, but one of a server on loopback is on that machine.

    Raises:
        ServiceUnavailableError: Prefect does not answer.
    """
    query = {"flow_runs": {"state": {"type": {"any_": list(UNDER_WAY)}}}}
    runs = Counter(_started_by(run) for run in prefect.every("/flow_runs/filter", query))
    server = urlsplit(url).hostname or ""
    found = [
        PrefectWorker(
            name=worker["name"],
            pool=pool["name"],
            type=pool["type"],
            host=server if is_loopback(server) else None,
            status=worker["status"],
            last_heartbeat=worker["last_heartbeat_time"],
            runs_in_hand=runs[pool["name"], worker["name"]],
        )
        for pool in prefect.every("/work_pools/filter")
        for worker in prefect.every(f"/work_pools/{pool['name']}/workers/filter")
    ]
    return sorted(found, key=lambda worker: (worker.pool, worker.name))


def dask_workers(dashboard: str) -> list[DaskWorker]:
    """Those of one scheduler, by name.

    Args:
        dashboard: the scheduler's HTTP address.

    Raises:
        ServiceUnavailableError: it does not answer, or something else does.
    """
    try:
        answer = httpx.get(f"{dashboard}/json/identity.json", timeout=_SECONDS, trust_env=False)
        answer.raise_for_status()
        found = answer.json()["workers"]
        return sorted((_dask(address, one) for address, one in found.items()), key=lambda worker: worker.name)
    except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
        hint = f"({error}) Without a stack, runs bring a cluster of their own. Look: sluice status"
        raise ServiceUnavailableError(service="Dask's scheduler", address=dashboard, hint=hint) from None


def _dask(address: str, worker: dict[str, Any]) -> DaskWorker:
    metrics = worker["metrics"]
    ours = metrics.get(_OURS) or {}
    counts = metrics.get("task_counts") or {}
    return DaskWorker(
        name=str(worker["name"]),
        address=address,
        host=worker["host"],
        pid=ours.get("pid"),
        threads=worker["nthreads"],
        memory=Memory(used=metrics.get("memory"), limit=worker["memory_limit"] or None),
        cpu=metrics.get("cpu"),
        status=worker["status"],
        last_heartbeat=datetime.fromtimestamp(worker["last_seen"], UTC),
        tasks_in_hand=sum(number for state, number in counts.items() if state in _IN_HAND),
        tasks_done=ours.get("done"),
    )


def _started_by(run: dict[str, Any]) -> tuple[str | None, str | None]:
    """Pool and worker, as the worker labels the runs that it starts."""
    labels = run.get("labels") or {}
    return labels.get("prefect.work-pool.name"), labels.get("prefect.worker.name")
