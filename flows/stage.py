"""What every stage shares: how its tasks are cached, retried, bounded in time and submitted to the cluster."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from prefect import Flow, Task, flow, task
from prefect.client.schemas.objects import State, TaskRun
from prefect.concurrency.sync import concurrency
from prefect.context import TaskRunContext
from prefect.logging import get_run_logger
from prefect.states import Failed
from prefect.tasks import exponential_backoff
from pydantic import BaseModel, ConfigDict

from flows.due import dropped
from flows.plan import StagePlan
from flows.runner import ClusterFuture, ClusterTaskRunner
from sluice.errors import SluiceError
from sluice.references import ModelRef, TableRef

P = ParamSpec("P")
R = TypeVar("R")
# A use case's limit. A stage takes all of it; a backfill's runs share it.
USE_CASE_SLOTS = 12
_Given = dict[str, Any] | None
_LEASE_SECONDS = 60  # the shortest Prefect allows: how long a killed run keeps its use case locked


class StageResult(BaseModel):
    """What a stage hands to the next one: references, and whether anything had to be done."""

    model_config = ConfigDict(frozen=True)

    stage: str
    ref: TableRef | ModelRef
    skipped: bool
    details: dict[str, Any] = {}


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
    return task(
        retries=3,
        retry_delay_seconds=exponential_backoff(backoff_factor=2),
        retry_jitter_factor=0.5,
        retry_condition_fn=is_transient,
        **options,
    )


def stage_flow(stage: Callable[P, Any]) -> "Flow[P, Any]":
    """A stage: one run of it at a time for a use case, a Dask cluster, and one clear line when it fails.

    The flow has more parameters than the stage: ``schedule``, which runs of a schedule get; ``parallel``, how many runs
    like this one may go side by side, which a backfill sets; and ``fresh``, a word that makes it do again what was
    done: a second run with the same word is the same work.
    """

    @wraps(stage)
    def run(
        *args: Any,
        schedule: dict[str, Any] | None = None,
        parallel: int = 1,
        fresh: str | None = None,
        **kwargs: Any,
    ) -> Any:
        if (too_late := dropped(schedule)) is not None:
            return too_late
        with (
            one_line_failure() as failed,
            concurrency(
                f"use-case:{kwargs.get('use_case') or args[0]}",
                occupy=max(1, USE_CASE_SLOTS // parallel),
                lease_duration=_LEASE_SECONDS,
                strict=False,
            ),
        ):
            return stage(*args, **kwargs)
        return failed[0]

    known = inspect.signature(stage)
    more = [
        inspect.Parameter("schedule", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_Given),
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


@contextmanager
def one_line_failure() -> Iterator[list["State[Any]"]]:
    """A failure that Sluice can explain becomes the run's state and one line of its log, without a traceback."""
    failed: list[State[Any]] = []
    try:
        yield failed
    except SluiceError as error:
        get_run_logger().error(str(error))
        failed.append(Failed(message=str(error)))


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
