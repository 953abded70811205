"""Prefect as it is now: runs that have not ended, schedules, work pools and their workers."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from observability.exported.deployments import Deployed, Deployments
from observability.exported.endings import Endings
from sluice.runs import UNDER_WAY, PrefectRuns

STATES = ("scheduled", "late", "awaiting_retry", "pending", "running", "paused", "cancelling")
# Of states that Prefect files under a type with another one's name.
_BY_NAME = {"Late": "late", "AwaitingRetry": "awaiting_retry", "Retrying": "running"}
_POOLS_EVERY = 5  # looks
_READY = "READY"


class UnderWay:
    """The source ``prefect``."""

    name = "prefect"

    def __init__(self, prefect: PrefectRuns, deployments: Deployments, seconds: float) -> None:
        self._prefect, self._deployments = prefect, deployments
        self._endings = Endings(prefect)
        self.seconds = seconds
        self._looks = 0
        self._pools: list[Metric] = []

    def look(self) -> list[Metric]:
        """Raises:
        ServiceUnavailableError: Prefect does not answer.
        """
        now = self._endings.server_time()
        found = [*self._runs(now)]
        known = self._deployments.known()
        told = [*run_families(known.values(), found, now), schedules(known.values())]
        if self._looks % _POOLS_EVERY == 0:
            self._pools = list(self._pool_families())
        self._looks += 1
        return [*told, *self._pools]

    def _runs(self, now: datetime) -> Iterator[dict[str, Any]]:
        """Runs that have begun, and those whose time has come; a schedule has many that are due some day."""
        begun = {"state": {"type": {"any_": [*UNDER_WAY, "PAUSED"]}}}
        due = {"state": {"type": {"any_": ["SCHEDULED"]}}, "next_scheduled_start_time": {"before_": now.isoformat()}}
        for wanted in (begun, due):
            yield from self._prefect.every("/flow_runs/filter", {"flow_runs": wanted, "sort": "ID_DESC"})

    def _pool_families(self) -> Iterator[Metric]:
        ready = GaugeMetricFamily(
            "sluice_work_pool_ready", "1 while a worker of the pool polls, and nobody paused it.", labels=["work_pool"]
        )
        seen = GaugeMetricFamily(
            "sluice_worker_last_heartbeat_timestamp_seconds",
            "The newest sign of life of any worker of the pool.",
            labels=["work_pool"],
        )
        for pool in self._prefect.every("/work_pools/filter"):
            name = pool["name"]
            ready.add_metric([name], float(pool.get("status") == _READY))
            workers = self._prefect.every(f"/work_pools/{name}/workers/filter")
            beats = [worker["last_heartbeat_time"] for worker in workers if worker.get("last_heartbeat_time")]
            if beats:
                seen.add_metric([name], max(map(datetime.fromisoformat, beats)).timestamp())
        yield from (ready, seen)


def run_families(
    known: Iterable[Deployed], runs: Iterable[Mapping[str, Any]], now: datetime
) -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
    """How many runs of each deployment are in each state, and for how long the oldest has been; zeros where none is."""
    names = {one.id: one.name for one in known}
    numbers: Counter[tuple[str, str]] = Counter()
    ages: dict[tuple[str, str], float] = {}
    seen: set[str] = set()
    for run in runs:
        name = names.get(run["deployment_id"] or "")
        state = _BY_NAME.get(run["state_name"] or "", str(run["state_type"]).lower())
        if name is None or state not in STATES or run["id"] in seen:
            continue
        seen.add(run["id"])  # it may have moved on between two questions
        numbers[name, state] += 1
        age = max(0.0, (now - _since(run, state)) / timedelta(seconds=1))
        ages[name, state] = max(age, ages.get((name, state), 0.0))
    current = GaugeMetricFamily(
        "sluice_flow_runs_current",
        "Runs that have not ended; `scheduled` are those whose time has come and that nobody calls late yet.",
        labels=("deployment", "state"),
    )
    oldest = GaugeMetricFamily(
        "sluice_flow_oldest_run_age_seconds",
        "For how long the oldest of them has been in that state, of this try, or been due; 0 where there is none.",
        labels=("deployment", "state"),
    )
    for name in sorted(names.values()):
        for state in STATES:
            current.add_metric((name, state), numbers[name, state])
            oldest.add_metric((name, state), ages.get((name, state), 0.0))
    return current, oldest


def schedules(known: Iterable[Deployed]) -> GaugeMetricFamily:
    """None for a deployment without an active schedule."""
    told = GaugeMetricFamily(
        "sluice_deployment_schedule_interval_seconds",
        "The longest time between two due times of an active schedule.",
        labels=["deployment"],
    )
    for one in sorted(known, key=lambda one: one.name):
        if one.interval is not None:
            told.add_metric([one.name], one.interval)
    return told


def _since(run: Mapping[str, Any], state: str) -> datetime:
    entered = (run.get("state") or {}).get("timestamp") or run["created"]
    if state in {"scheduled", "late"}:
        return datetime.fromisoformat(run.get("next_scheduled_start_time") or run["expected_start_time"])
    return datetime.fromisoformat(entered)
