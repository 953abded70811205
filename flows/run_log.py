"""What steps log on a worker reaches the run's log in Prefect, and says which run and which trace it belongs to.

Steps log through loguru and know no Prefect; partitions run as plain Dask tasks, outside any Prefect context. So a
small target travels with them and names the run and the span that their lines belong to.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache

import loguru
from loguru import logger
from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging.configuration import setup_logging

from flows.traced import deployment_here, of_run
from observability.log_line import INTERCEPTED
from observability.logging import FORWARDED
from observability.tracing import continued, span, traceparent
from sluice.errors import SluiceError

_FORWARDED = logging.getLogger("prefect.task_runs.sluice")
ADVICE = "Timeout of %s seconds configured for this task, but the task is "


@dataclass(frozen=True)
class LogTarget:
    """The run whose log a line belongs to, and the span (W3C Trace Context) that it was made in."""

    flow_run_id: str
    task_run_id: str | None
    deployment: str = ""
    traceparent: str = ""

    @classmethod
    def current(cls) -> "LogTarget | None":
        """Of the Prefect run that is active here, or of the fan-out that this code is part of."""
        if task := TaskRunContext.get():
            return cls(str(task.task_run.flow_run_id), str(task.task_run.id), deployment_here(), traceparent())
        if (flow := FlowRunContext.get()) and flow.flow_run:
            return cls(str(flow.flow_run.id), None, deployment_here(), traceparent())
        target = _target.get()
        here = traceparent()
        return replace(target, traceparent=here) if target and here else target


_target: ContextVar[LogTarget | None] = ContextVar("sluice_log_target", default=None)


@contextmanager
def run_log(target: LogTarget | None, what: str = "task") -> Iterator[None]:
    """Send what loguru gets in this block to the target's run as well; the block is a span of the target's trace.

    Args:
        what: the span's name.
    """
    if target is None:
        yield
        return
    forward()
    token = _target.set(target)
    try:
        with (
            continued(target.traceparent),
            span(what),
            of_run(target.flow_run_id, target.deployment, target.task_run_id),
        ):
            yield
    finally:
        _target.reset(token)


@cache
def forward() -> None:
    """Once a process: hand loguru's lines to Prefect's log, where a run is active."""
    setup_logging()
    logger.add(_send, level="INFO", format="{message}", catch=True)
    logging.getLogger("prefect.task_runs").addFilter(without_traceback)


def without_traceback(record: logging.LogRecord) -> bool:
    """For a logger: a failure that Sluice can explain is one line, here as in the flow's log."""
    if record.exc_info and isinstance(record.exc_info[1], SluiceError):
        record.exc_info = None
    return True


def without_advice(record: logging.LogRecord) -> bool:
    """For a logger: not Prefect's advice, at each task on a worker, to write it as a coroutine.

    That a task's timeout does not interrupt C code is in the documentation of limits, and ``hard_seconds`` does.
    """
    return not str(record.msg).startswith(ADVICE)


# Here, since whoever unpickles a task imports this before the task begins, which is when the advice is given.
logging.getLogger("prefect.task_runs").addFilter(without_advice)


def _send(message: "loguru.Message") -> None:
    record = message.record
    if INTERCEPTED in record["extra"]:
        return  # Prefect's handler has had it already
    target = LogTarget.current()
    if target is None:
        return
    _FORWARDED.log(
        record["level"].no,
        str(message).rstrip("\n"),
        extra={
            "flow_run_id": target.flow_run_id,
            "task_run_id": target.task_run_id,
            "flow_run_name": "",
            "task_run_name": record["name"],
            FORWARDED: True,
        },
    )
