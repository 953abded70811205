"""A run's time limits, kept while it runs: the soft one is told to the step, the hard one ends the run.

A thread of the flow's process waits for both. No step runs in this process, so nothing that a step does can hold it up.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from typing import Any
from uuid import UUID

import distributed
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
    TaskRunFilter,
    TaskRunFilterFlowRunId,
)
from prefect.context import FlowRunContext
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Cancelling, Failed, State

from flows.deadline import Deadline, Deadlines
from flows.interruption import interrupt
from flows.occupancy import free, tell
from sluice.errors import HardTimeLimitExceededError, SoftTimeLimitExceededError

_AGAIN_SECONDS = 0.2
# Prefect hears from a worker that a task has begun a moment after it did.
_LATE_SECONDS = 1.0
# A run that was ended leaves by itself within a second or two, or its process is ended.
_LEAVE_SECONDS = 20.0
_current: ContextVar["TimeLimits | None"] = ContextVar("sluice_time_limits", default=None)


class TimeLimits:
    """Of one run in this process.

    Attributes:
        told: whether a step was told of the soft limit, here or in a stage that this run started.
        over: the hard limit's error, once it has passed.
    """

    def __init__(self, run: UUID, deadlines: Deadlines, task_runner: Any) -> None:
        self.deadlines = deadlines
        self.told = False
        self.over: HardTimeLimitExceededError | None = None
        self._run = run
        # Made here, since the thread must not make a second one. A pipeline's runner has none: its stages have.
        self._client: distributed.Client | None = getattr(task_runner, "client", None)
        self._left = threading.Event()
        self._thread = threading.Thread(target=copy_context().run, args=(self._watch,), daemon=True)

    def within(self) -> dict[str, Any] | None:
        """What a stage gets that this run starts: what is left of the limits, but a soft one that was told."""
        left = {"soft": None if self.told else self.deadlines.soft, "hard": self.deadlines.hard}
        return {name: deadline.model_dump() for name, deadline in left.items() if deadline is not None} or None

    def heard(self, by_stage: bool) -> None:
        """A stage has ended; whether a step of it was told of a soft limit, the stage's own or this run's."""
        self.told |= by_stage and self.deadlines.soft is not None and not self.deadlines.soft.left

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """The run leaves; waits for what is being freed."""
        self._left.set()
        self._thread.join()

    def _watch(self) -> None:
        soft, hard = self.deadlines
        if soft is not None and not self._left.wait(soft.left):
            self._tell(soft)
        if hard is not None and not self._left.wait(hard.left):
            self._end(hard)

    def _tell(self, soft: Deadline) -> None:
        """Until a step hears it, since there may be none just now, or the hard limit passes."""
        hard = self.deadlines.hard
        while self._client is not None and (hard is None or hard.left):
            heard = interrupt(str(self._run)) + tell(self._client, str(self._run))
            if heard:
                self.told = True
                get_run_logger().warning(str(SoftTimeLimitExceededError(**soft.fields)))
            if heard or self._left.wait(_AGAIN_SECONDS):
                return

    def _end(self, hard: Deadline) -> None:
        self.over = HardTimeLimitExceededError(**hard.fields)
        get_run_logger().error(str(self.over))
        failed: State[Any] = Failed(message=str(self.over))
        try:
            with get_client(sync_client=True) as client:
                # What cannot be freed or told now ends with the process, or when its heartbeats are missed.
                with suppress(Exception):
                    self._free()
                with suppress(Exception):
                    self._end_parts(client, failed)
                    time.sleep(_LATE_SECONDS)
                    self._end_parts(client, failed)
                if not self._left.wait(_LEAVE_SECONDS):
                    client.set_flow_run_state(self._run, failed, force=True)
        finally:
            if not self._left.is_set():
                os._exit(1)

    def _free(self) -> None:
        freed = free(self._client, str(self._run)) if self._client is not None else []
        if freed:
            get_run_logger().warning(f"Ended the Dask workers that were busy with it all the same: {len(freed)}")

    def _end_parts(self, client: SyncPrefectClient, failed: "State[Any]") -> None:
        """Its tasks; of a pipeline, the stage that has not begun: one that has keeps the pipeline's limit itself."""
        of_run = TaskRunFilter(flow_run_id=TaskRunFilterFlowRunId(any_=[self._run]))
        for task in client.read_task_runs(task_run_filter=of_run):
            if task.state is None or not task.state.is_final():
                client.set_task_run_state(task.id, failed, force=True)
        children = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[self._run]))
        for child in client.read_flow_runs(flow_run_filter=children):
            if child.state is not None and (child.state.is_scheduled() or child.state.is_pending()):
                ended: State[Any] = Cancelled(message=failed.message) if child.state.is_scheduled() else Cancelling()
                client.set_flow_run_state(child.id, ended)


@contextmanager
def time_limits(deadlines: Deadlines) -> Iterator[TimeLimits]:
    """Keep them for the run whose flow this block is in.

    Raises:
        HardTimeLimitExceededError, SoftTimeLimitExceededError: in place of what the block raised for that reason.
    """
    context = FlowRunContext.get()
    assert context is not None
    assert context.flow_run is not None
    if not any(deadlines):
        yield TimeLimits(context.flow_run.id, deadlines, None)
        return
    keeper = TimeLimits(context.flow_run.id, deadlines, context.task_runner)
    before = _current.set(keeper)
    keeper.start()
    try:
        yield keeper
    except Exception as error:
        if keeper.over is not None:
            raise keeper.over from None
        if isinstance(error, SoftTimeLimitExceededError) and deadlines.soft is not None:
            raise SoftTimeLimitExceededError(**deadlines.soft.fields) from None
        raise
    finally:
        _current.reset(before)
        keeper.stop()


def raise_if_over() -> None:
    """For whoever waits for a run's tasks: whether the run was ended.

    Raises:
        HardTimeLimitExceededError: it was.
    """
    keeper = _current.get()
    if keeper is not None and keeper.over is not None:
        raise keeper.over
