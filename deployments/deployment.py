"""Prefect deployments, worked out from the use cases: one for each flow of each use case, named ``<flow>/<use_case>``.

The same list is written to ``prefect.yaml`` (`deployments.prefect_yaml`) and registered by `sluice up`
(`deployments.register`).
"""

from collections.abc import Iterable
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict

from sluice.schedule import ANCHOR, Schedule
from sluice.use_case import Flow, Resources, UseCaseConfig, discover, load_use_case

PoolType = Literal["process", "kubernetes"]
POOLS: dict[PoolType, str] = {"process": "sluice", "kubernetes": "sluice-kubernetes"}
SHIPPED = "sluice.use_cases."

_WHAT: dict[str, str] = {
    "ingest": "Reads the source, quarantines bad rows, appends the rest to raw/{name}.",
    "features": "Builds features/{name} from raw/{name}.",
    "train": "Splits, searches, fits and registers a challenger of {name}.",
    "evaluate": "Compares the challenger with the champion on the same hold-out and promotes it if the gate lets it.",
    "pipeline": "Ingest, features, train, evaluate: each a run of its own; what did not change is skipped.",
}
# A run starts, writes its last state and is cleaned up outside the time that its stage may take.
_DEADLINE_MARGIN = 300


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
    return Deployment(
        flow=flow,
        name=config.name,
        description=f"{config.title}. {_WHAT[flow].format(name=config.name)} Owner: {config.owner}.",
        # A module path, not a file: nothing is copied to the run, and what the flow defines pickles by reference.
        entrypoint=f"flows.{flow}.{flow}",
        parameters={"use_case": config.name},
        tags=["sluice", config.name],
        schedules=[_schedule(config.schedules[flow])] if flow in config.schedules else [],
        # Stages hold the use case's global limit, which counts across deployments; the pipeline cannot, since it waits
        # for them.
        concurrency_limit=1 if flow == "pipeline" else None,
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
        resources = Resources(cpu=0.1, memory="512Mi", timeout=config.resources.timeout * (len(get_args(Flow)) - 1))
    else:
        resources = config.resources
    variables: dict[str, Any] = {
        "cpu_request": f"{resources.cpu:g}",
        "memory_request": resources.memory,
        "memory_limit": resources.memory,
        "active_deadline_seconds": int(resources.timeout) + _DEADLINE_MARGIN,
    }
    if resources.gpu:
        variables["gpu_limit"] = str(resources.gpu)
    return variables
