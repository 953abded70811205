"""What a Prefect server has to know before runs can start: the work pool, the limits, the deployments, the automation.

Everything is written by name and can be written again.
"""

import asyncio
import json
import shlex
import sys
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployments.cluster.job_template import JobChanges, changed
from deployments.cluster.place import Place, job_variables
from deployments.deployment import POOLS, Deployment, PoolType, deployments_of, installed_configs
from sluice.errors import ServiceUnavailableError
from sluice.settings import Settings
from sluice.use_case import STAGES

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

_SERVER_SECONDS = 180  # for a server that is just starting


def register(
    settings: Settings, pool_type: PoolType = "process", *, pool: str = "", changes: JobChanges | None = None
) -> list[Deployment]:
    """Register the deployments of all installed use cases, and what they need. ``PREFECT_API_URL`` must be set.

    Args:
        pool: name of the work pool, if not the usual one of its type.
        changes: to the template of a kubernetes pool's jobs.
    """
    pool = pool or (settings.prefect.pool if pool_type == "process" else POOLS[pool_type])
    deployments = deployments_of(installed_configs(), pool_type, pool)
    if pool_type == "process":
        template = _process_template(settings.home / "work")
    else:
        changes = changes or JobChanges()
        template = changed(kubernetes_template(), changes)
        deployments = placed(deployments, changes)
    asyncio.run(_register(pool, pool_type, deployments, template))
    return deployments


def placed(deployments: Iterable[Deployment], changes: JobChanges) -> list[Deployment]:
    """The same deployments with the nodes, the resources and the time that a release chose for their runs."""

    def choices(flow: Any, use_case: str) -> list[Place]:
        found = (changes.stages.get(flow), changes.use_cases.get(use_case, {}).get(flow))
        return [choice for choice in found if choice is not None]

    return [
        one.model_copy(
            update={
                "job_variables": job_variables(
                    _with_start(one, changes.start_seconds), changes.gpu, choices(one.flow, one.name)
                )
            }
        )
        for one in deployments
    ]


def _with_start(deployment: Deployment, seconds: int) -> dict[str, Any]:
    """Its job's variables, with so much more time for each try. A pipeline waits for stages that each have it."""
    variables = deployment.job_variables
    if not seconds:
        return variables
    tries = 1 + deployment.parameters.get("limits", {}).get("retries", 0)
    times = len(STAGES) if deployment.flow == "pipeline" else 1
    return {**variables, "active_deadline_seconds": variables["active_deadline_seconds"] + seconds * tries * times}


async def _register(pool: str, pool_type: PoolType, deployments: list[Deployment], template: dict[str, Any]) -> None:
    from prefect.client.orchestration import get_client

    from deployments.zombies import ensure_automation

    async with get_client() as client:
        try:
            async with asyncio.timeout(_SERVER_SECONDS):
                while await client.api_healthcheck() is not None:
                    await asyncio.sleep(0.1)
        except TimeoutError:
            hint = f"It did not for {_SERVER_SECONDS} s. Look: sluice status"
            raise ServiceUnavailableError(service="Prefect", address=str(client.api_url), hint=hint) from None
        await _ensure_pool(client, pool, pool_type, template)
        for name, limit in global_limits(deployments).items():
            await client.upsert_global_concurrency_limit_by_name(name, limit)
        for deployment in deployments:
            await _apply(client, deployment)
        await ensure_automation(client)


def global_limits(deployments: Iterable[Deployment]) -> dict[str, int]:
    """Global concurrency limits that the flows take: one run at a time may write a use case's tables and models.

    A run takes all slots of its use case's limit; those of a backfill share them.
    """
    from flows.stage import USE_CASE_SLOTS

    return {f"use-case:{deployment.name}": USE_CASE_SLOTS for deployment in deployments}


async def _ensure_pool(client: "PrefectClient", name: str, pool_type: PoolType, template: dict[str, Any]) -> None:
    from prefect.client.schemas.actions import WorkPoolCreate

    pool = WorkPoolCreate(name=name, type=pool_type, base_job_template=template, description="Made by Sluice.")
    await client.create_work_pool(pool, overwrite=True)


def _process_template(folder: Path) -> dict[str, Any]:
    from prefect.workers.process import ProcessWorker

    template = ProcessWorker.get_default_base_job_template()
    variables = template["variables"]["properties"]
    # Given a command, Prefect runs it as it is; otherwise it starts a second interpreter first, to work out where the
    # flow's code is. Ours is installed. It costs a run more than a second.
    variables["command"]["default"] = shlex.join([sys.executable, "-m", "prefect.engine"])
    # Prefect puts the folder that a run starts in first on the path, whatever Python was told: an empty one, so that no
    # flows/ of the user's is imported in place of ours.
    folder.mkdir(parents=True, exist_ok=True)
    variables["working_dir"]["default"] = str(folder)
    return template


def kubernetes_template() -> dict[str, Any]:
    """Our own job template: Prefect's has no security context, no time to live and a short watch."""
    text = files("deployments").joinpath("kubernetes/work_pool.json").read_text(encoding="utf-8")
    template: dict[str, Any] = json.loads(text)
    return template


async def _apply(client: "PrefectClient", deployment: Deployment) -> None:
    from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions
    from prefect.flows import load_flow_from_entrypoint
    from prefect.utilities.callables import parameter_schema

    flow: Any = load_flow_from_entrypoint(deployment.entrypoint, use_placeholder_flow=False)
    paused = await _is_paused(client, deployment.full_name)
    await client.create_deployment(
        flow_id=await client.create_flow(flow),
        name=deployment.name,
        entrypoint=deployment.entrypoint,
        description=deployment.description,
        parameters=deployment.parameters,
        parameter_openapi_schema=parameter_schema(flow).model_dump(),
        enforce_parameter_schema=True,
        tags=deployment.tags,
        schedules=[_schedule(schedule, paused) for schedule in deployment.schedules],
        concurrency_limit=deployment.concurrency_limit,
        concurrency_options=ConcurrencyOptions(collision_strategy=ConcurrencyLimitStrategy.ENQUEUE)
        if deployment.concurrency_limit
        else None,
        work_pool_name=deployment.pool,
        job_variables=deployment.job_variables,
        pull_steps=[],
    )


async def _is_paused(client: "PrefectClient", deployment: str) -> bool:
    """Whether somebody paused its schedules. Registering again must not set them going."""
    from prefect.exceptions import ObjectNotFound

    try:
        there = await client.read_deployment_by_name(deployment)
    except ObjectNotFound:
        return False
    return bool(there.schedules) and not any(schedule.active for schedule in there.schedules)


def _schedule(schedule: dict[str, Any], paused: bool) -> Any:
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.schedules import construct_schedule

    when = {name: value for name, value in schedule.items() if name in {"cron", "interval", "timezone", "anchor_date"}}
    return DeploymentScheduleCreate(
        schedule=construct_schedule(**when), active=schedule["active"] and not paused, parameters=schedule["parameters"]
    )
