"""How often a run is tried again: Prefect does it, in the same process; what is finished comes from the cache."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prefect import get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext
from prefect.states import Failed

from flows.run_log import without_traceback
from sluice.errors import HardTimeLimitExceededError, SluiceError
from sluice.limits import Limits


@contextmanager
def one_line_failure() -> Iterator[list["State[Any]"]]:
    """A failure that Sluice can explain becomes the run's state and one line of its log, without a traceback.

    While tries are left it is raised: Prefect tries again what raises, not what ends as Failed.
    """
    failed: list[State[Any]] = []
    try:
        yield failed
    except SluiceError as error:
        if _tries_left():
            if not isinstance(error, HardTimeLimitExceededError):
                raise
            _set_retries(_flow_run(), 0, 0)  # it was ended on purpose
        get_run_logger().error(str(error))
        failed.append(Failed(message=str(error)))


def plan_tries(limits: Limits) -> None:
    """Let Prefect try this run again as its limits say. A person's retry of an old run has all of them anew."""
    run = _flow_run()
    if limits.retries:
        logging.getLogger("prefect.flow_runs").addFilter(without_traceback)  # of a failure that is tried again
    if limits.retries and run.empirical_policy.retry_type != "in_process":
        _set_retries(run, run.run_count - 1 + limits.retries, limits.retry_delay_seconds)


def _flow_run() -> FlowRun:
    context = FlowRunContext.get()
    assert context is not None
    assert context.flow_run is not None
    return context.flow_run


def _tries_left() -> bool:
    """As Prefect's server will decide when it hears of the failure."""
    run = _flow_run()
    return run.run_count <= (run.empirical_policy.retries or 0)


def _set_retries(run: FlowRun, retries: int, delay: int) -> None:
    run.empirical_policy = run.empirical_policy.model_copy(update={"retries": retries, "retry_delay": delay})
    with get_client(sync_client=True) as client:
        client.update_flow_run(run.id, empirical_policy=run.empirical_policy)
