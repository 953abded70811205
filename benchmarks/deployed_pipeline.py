"""A use case's pipeline through its deployments on the stack, as Prefect timed it."""

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, ConfigDict

from benchmarks.bench_stack import BenchStack
from benchmarks.plain_pipeline import empty
from sluice.errors import ServiceUnavailableError
from sluice.lake import Lake
from sluice.runs import FlowRun, PrefectRuns

_POLL_SECONDS = 1.0


class StageTime(BaseModel):
    """Seconds from submission to Running, and from Running to Completed."""

    model_config = ConfigDict(frozen=True)

    start: float
    run: float


def deployed(stack: BenchStack, use_case: str, params: Mapping[str, Any]) -> dict[str, StageTime]:
    """Run ``pipeline/<use_case>`` on an empty lake; gives its stages and, as ``pipeline``, the whole.

    Raises:
        RuntimeError: the run did not complete; with what it said.
    """
    empty(Lake.from_settings(stack.settings), use_case)
    with PrefectRuns.of(stack.settings.prefect) as runs:
        ended = completed(runs, runs.start(f"pipeline/{use_case}", {"params": dict(params)}))
        stages = {runs.flow_name(child.flow_id): child for child in runs.children(ended.id)}
    return {
        name: StageTime(start=run.wait_seconds, run=run.seconds) for name, run in [*stages.items(), ("pipeline", ended)]
    }


def completed(runs: PrefectRuns, run: FlowRun) -> FlowRun:
    """Wait for the end of a run. A server that is too busy to answer is asked again.

    Raises:
        RuntimeError: it ended otherwise.
    """
    while not run.final:
        time.sleep(_POLL_SECONDS)
        with suppress(ServiceUnavailableError):
            run = runs.read(run.id)
    if not run.completed:
        raise RuntimeError(f"{run.name} ended {run.state_name}: {run.message}")
    return run
