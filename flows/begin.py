"""The first task of every stage: are the services up, what exactly is read, and under which key."""

from collections.abc import Callable, Mapping
from typing import Any

from prefect.context import FlowRunContext
from prefect.logging import get_run_logger

from flows.plan import StagePlan
from flows.runner import connect
from flows.stage import stage_task

Resolve = Callable[[str, Mapping[str, Any]], dict[str, str]]


@stage_task(cached=False, name="plan")
def plan_stage(
    stage: str, use_case: str, params: dict[str, Any], given: dict[str, Any], resolve: Resolve, fresh: str | None
) -> StagePlan:
    """Check the services, resolve what is read (``given`` versions, or the latest), and make the plan."""
    from flows.plan import make_plan
    from flows.platform import platform
    from flows.run_log import forward
    from sluice.models import ping_registry

    forward()
    platform().documents.ping()
    ping_registry(platform().settings)
    inputs = resolve(use_case, given)
    # A word that no other plan has makes another key: nothing is taken from the cache.
    return make_plan(stage, use_case, params, inputs if fresh is None else {**inputs, "fresh": fresh})


def begin(stage: str, use_case: str, params: Mapping[str, Any] | None, resolve: Resolve, **given: Any) -> StagePlan:
    """Plan the stage on the cluster.

    Raises:
        UseCaseNotFoundError, UseCaseInvalidError: before anything is read.
        ServiceUnavailableError: after the tries of a task are used up; nothing was written.
    """
    _replace_stale_workers(use_case)
    wanted = {name: value for name, value in given.items() if value is not None}
    context = FlowRunContext.get()
    assert context is not None
    fresh = (context.parameters or {}).get("fresh")
    plan: StagePlan = plan_stage.submit(stage, use_case, dict(params or {}), wanted, resolve, fresh).result()
    get_run_logger().info(
        f"{stage} of {use_case} on {', '.join(f'{k} {v}' for k, v in plan.inputs.items())}; key {plan.key}"
    )
    return plan


def _replace_stale_workers(use_case: str) -> None:
    """Restart workers that loaded another version of the code: a Dask worker keeps the modules it imported first."""
    client = connect()
    stale = [
        worker for worker, is_stale in client.run(has_old_code, use_case, on_error="return").items() if is_stale is True
    ]
    if stale:
        get_run_logger().info(f"Restarting {len(stale)} Dask workers: they had loaded older code of {use_case}")
        client.restart_workers(stale, timeout=60)


_loaded: dict[str, str] = {}


def has_old_code(use_case: str) -> bool:
    """Runs on a worker: whether the code on disk is not what this process loaded."""
    from flows.plan import code_hash

    current = code_hash(use_case)
    return _loaded.setdefault(use_case, current) != current
