"""What every stage shares: how its tasks are cached, retried, bounded in time and submitted to the cluster."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from prefect import Flow, Task, flow, task
from prefect.client.schemas.objects import State, TaskRun
from prefect.concurrency.sync import concurrency
from prefect.context import TaskRunContext
from prefect.tasks import exponential_backoff
from pydantic import BaseModel, ConfigDict

from flows.deadline import Deadlines
from flows.due import dropped, expired
from flows.plan import StagePlan
from flows.redacted import redacted
from flows.result import publish_result
from flows.runner import ClusterFuture, ClusterTaskRunner, connect
from flows.task_details import noted
from flows.time_limits import time_limits
from flows.traced import this_run
from flows.tries import one_line_failure, plan_tries
from flows.turn import wait_for_turn
from sluice.errors import SluiceError
from sluice.limits import Limits
from sluice.references import ModelRef, TableRef

P = ParamSpec("P")
R = TypeVar("R")
# A use case's limit. A stage takes all of it; a backfill's runs share it.
USE_CASE_SLOTS = 12
_Given = dict[str, Any] | None
_LEASE_SECONDS = 60  # the shortest Prefect allows: how long a killed run keeps its use case locked


class StageResult(BaseModel):
    """What a stage hands to the next one: references, and whether anything had to be done.

    Attributes:
        soft_limit_passed: a step was told so, and ended well all the same.
    """

    model_config = ConfigDict(frozen=True)

    stage: str
    ref: TableRef | ModelRef | None  # None: a window without a row, of a table that has no version yet
    skipped: bool
    details: dict[str, Any] = {}
    soft_limit_passed: bool = False


def cache_key(context: TaskRunContext, parameters: dict[str, Any]) -> str:
    """The plan's key, and a generation: a cached result that points at something gone is passed over."""
    from flows.references import is_alive

    plan: StagePlan = parameters["plan"]
    base = f"{plan.stage}-{plan.use_case}-{context.task.name}-{plan.key}"
    store = context.result_store
    generation = 0
    while store.exists(key := f"{base}-{generation}") and not is_alive(store.read(key).result):
        generation += 1
    return key


def is_transient(_: "Task[Any, Any]", __: TaskRun, state: "State[Any]") -> bool:
    """Whether another try can help: outages can pass, wrong data and wrong settings do not."""
    error = state.result(raise_on_failure=False)
    if isinstance(error, SluiceError):
        return error.status in {409, 503}
    return isinstance(error, OSError | ConnectionError)


def stage_task(cached: bool = True, **options: Any) -> Callable[[Callable[P, R]], "Task[P, R]"]:
    """A task of a stage. Its first parameter is ``plan``; it runs on the cluster and returns a reference."""
    if cached:
        options |= {"cache_key_fn": cache_key, "persist_result": True}

    def made(fn: Callable[P, R]) -> "Task[P, R]":
        @wraps(fn)
        def step(*args: P.args, **kwargs: P.kwargs) -> R:
            # Imported here, so that the scheduler, which unpickles this, needs neither.
            from flows.interruption import working
            from flows.redacted import redacted
            from flows.run_log import LogTarget
            from flows.traced import of_run

            target = LogTarget.current()
            if target is None:
                return working(None, fn, *args, **kwargs)
            with of_run(target.flow_run_id, target.deployment, target.task_run_id), redacted():
                return working(target.flow_run_id, fn, *args, **kwargs)

        decorated: Task[P, R] = task(
            retries=3,
            retry_delay_seconds=exponential_backoff(backoff_factor=2),
            retry_jitter_factor=0.5,
            retry_condition_fn=is_transient,
            # What a step prints belongs to its run's log, and goes out as other lines do: without secrets.
            log_prints=True,
            **options,
        )(noted(step))
        return decorated

    return made


def stage_flow(stage: Callable[P, Any]) -> "Flow[P, Any]":
    """A stage: one run of it at a time for a use case, a Dask cluster, its limits, and one clear line when it fails.

    The flow has more parameters than the stage: ``schedule``, which runs of a schedule get; ``limits``, which the
    deployment has from use_case.yaml; ``within``, the time limits of the pipeline that started it; ``parallel``, how
    many runs like this one may go side by side, which a backfill sets; and ``fresh``, a word that makes it do again
    what was done: a second run with the same word is the same work.
    """

    @wraps(stage)
    def run(
        *args: Any,
        schedule: dict[str, Any] | None = None,
        limits: dict[str, Any] | None = None,
        within: dict[str, Any] | None = None,
        parallel: int = 1,
        fresh: str | None = None,
        **kwargs: Any,
    ) -> Any:
        use_case = kwargs.get("use_case") or args[0]
        name = f"{stage.__name__}/{use_case}"
        with this_run(name), one_line_failure() as failed, redacted():
            own = Limits.parse(limits)
            if (too_late := dropped(schedule) or expired(own)) is not None:
                return too_late
            plan_tries(own)
            wait_for_turn(name, own)
            if (too_late := expired(own)) is not None:
                return too_late
            with concurrency(
                f"use-case:{use_case}",
                occupy=max(1, USE_CASE_SLOTS // max(parallel, own.concurrency or 1)),
                lease_duration=_LEASE_SECONDS,
                strict=False,
            ):
                # What it waited here counts too.
                if (too_late := expired(own)) is not None:
                    return too_late
                connect()  # the cluster of a run takes a while to start, which is not the stage's time
                with time_limits(Deadlines.begun(name, own, within)) as kept:
                    result: StageResult = stage(*args, **kwargs)
                result = result.model_copy(update={"soft_limit_passed": kept.told})
                publish_result(result)
                return result
        return failed[0]

    known = inspect.signature(stage)
    more = [
        inspect.Parameter("schedule", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_Given),
        inspect.Parameter("limits", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_Given),
        inspect.Parameter("within", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_Given),
        inspect.Parameter("parallel", inspect.Parameter.KEYWORD_ONLY, default=1, annotation=int),
        inspect.Parameter("fresh", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=str | None),
    ]
    run.__signature__ = known.replace(parameters=[*known.parameters.values(), *more])  # type: ignore[attr-defined]
    made: Any = flow(
        name=stage.__name__,
        flow_run_name=f"{stage.__name__}-{{use_case}}",
        task_runner=cast("Any", ClusterTaskRunner()),  # prefect-dask types its runner for its own future only
        persist_result=True,
    )(run)
    return cast("Flow[P, Any]", made)


def submit(task: "Task[Any, R]", plan: StagePlan, *args: Any) -> ClusterFuture:
    """Start a task of this plan on the cluster, bounded by the use case's time limit."""
    bounded: Any = task.with_options(timeout_seconds=plan.timeout)
    future: ClusterFuture = bounded.submit(plan, *args)
    return future


def finish(*futures: ClusterFuture) -> bool:
    """Wait for tasks in their order, raising the first failure; True when every one of them came from the cache."""
    for future in futures:
        future.wait()
        if not future.state.is_completed():
            future.result()
    return all(future.state.name == "Cached" for future in futures)
