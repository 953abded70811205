"""Prefect deployments, worked out from the use cases: one for each flow of each use case, named ``<flow>/<use_case>``.

The same list is written to ``prefect.yaml`` (`deployments.prefect_yaml`) and registered by `sluice up`
(`deployments.register`).
"""

import math
from collections.abc import Iterable
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict

from sluice.limits import Limits
from sluice.schedule import ANCHOR, Schedule
from sluice.use_case import STAGES, Flow, Resources, UseCaseConfig, discover, load_use_case

PoolType = Literal["process", "kubernetes"]
POOLS: dict[PoolType, str] = {"process": "sluice", "kubernetes": "sluice-kubernetes"}
SHIPPED = "sluice.use_cases."

_WHAT: dict[str, str] = {
    "ingest": "Reads the source, quarantines bad rows, appends the rest to raw/{name}.",
    "features": "Builds features/{name} from raw/{name}.",
    "train": "Splits, searches, fits and registers a challenger of {name}.",
    "evaluate": "Compares the challenger with the champion on the same hold-out and promotes it if the gate lets it.",
    "pipeline": "Ingest, features, train, evaluate: each a run of its own; what did not change is skipped.",
    "score": "Predicts for every row of a table, features/{name} if no other is named, into scores/{name}.",
    "monitor": "Compares what {name}'s champion is asked with its training data, and its answers with outcomes.",
}
# A run starts, writes its last state and is cleaned up outside the time that its stage may take.
_DEADLINE_MARGIN = 300
_LONGEST_TURN = 86_400  # seconds that a run with a rate, which nothing lets expire, may wait for its turn


class Deployment(BaseModel):
    """One deployment, as Prefect calls its parts."""

    model_config = ConfigDict(frozen=True)

    flow: str
    name: str
    description: str
    entrypoint: str
    parameters: dict[str, Any]
    tags: list[str]
    schedules: list[dict[str, Any]] = []
    concurrency_limit: int | None = None
    pool: str
    job_variables: dict[str, Any] = {}

    @property
    def full_name(self) -> str:
        return f"{self.flow}/{self.name}"


def installed_configs(shipped_only: bool = False) -> list[UseCaseConfig]:
    """The configurations of the installed use cases, or of those that come with Sluice."""
    return [
        load_use_case(name).config
        for name, package in discover().items()
        if not shipped_only or package.startswith(SHIPPED)
    ]


def deployments_of(
    configs: Iterable[UseCaseConfig], pool_type: PoolType = "process", pool: str = ""
) -> list[Deployment]:
    """Every deployment of these use cases for a work pool of this type; ``pool`` is its name if not the usual one."""
    return [
        _deployment(config, flow, pool_type, pool or POOLS[pool_type]) for config in configs for flow in get_args(Flow)
    ]


def _deployment(config: UseCaseConfig, flow: Flow, pool_type: PoolType, pool: str) -> Deployment:
    limits = config.limits.get(flow, Limits())
    # As the schedule's policy does, they travel with each run: it keeps them itself.
    own = {"limits": given} if (given := limits.given()) else {}
    return Deployment(
        flow=flow,
        name=config.name,
        description=f"{config.title}. {_WHAT[flow].format(name=config.name)} Owner: {config.owner}.",
        # A module path, not a file: nothing is copied to the run, and what the flow defines pickles by reference.
        entrypoint=f"flows.{flow}.{flow}",
        parameters={"use_case": config.name, **own},
        tags=["sluice", config.name],
        schedules=[_schedule(config.schedules[flow])] if flow in config.schedules else [],
        # Stages hold the use case's global limit, which counts across deployments; the pipeline cannot, since it waits
        # for them.
        concurrency_limit=limits.concurrency or (1 if flow == "pipeline" else None),
        pool=pool,
        job_variables=_kubernetes_variables(config, flow) if pool_type == "kubernetes" else {},
    )


def _schedule(schedule: Schedule) -> dict[str, Any]:
    when: dict[str, Any] = (
        {"cron": schedule.cron, "timezone": schedule.timezone}
        if schedule.cron
        else {"interval": schedule.interval, "anchor_date": ANCHOR.isoformat()}
    )
    # The policy goes to each run of the schedule as a parameter, so that a run can see that it comes too late.
    return {**when, "active": True, "parameters": {"schedule": schedule.model_dump(exclude_defaults=True)}}


def _kubernetes_variables(config: UseCaseConfig, flow: Flow) -> dict[str, Any]:
    """Values for the variables of ``work_pools/kubernetes.json``."""
    if flow == "pipeline":
        # It only starts the stages and waits for them, one after the other.
        resources = Resources(cpu=0.1, memory="512Mi", timeout=config.resources.timeout * len(STAGES))
    else:
        resources = config.resources
    variables: dict[str, Any] = {
        "cpu_request": f"{resources.cpu:g}",
        "memory_request": resources.memory,
        "memory_limit": resources.memory,
        "active_deadline_seconds": _deadline(config.limits.get(flow, Limits()), resources.timeout) + _DEADLINE_MARGIN,
    }
    if resources.gpu:
        variables["gpu_limit"] = str(resources.gpu)
    return variables


def _deadline(limits: Limits, timeout: float) -> int:
    """Seconds that a pod may need: for all tries, for what is between them, and for its turn."""
    seconds = (limits.hard_seconds or timeout) * (1 + limits.retries) + limits.retry_delay_seconds * limits.retries
    waits = limits.spacing is not None
    return math.ceil(seconds + ((limits.expires or _LONGEST_TURN) if waits else 0))
