"""What steps log on a worker reaches the run's log in Prefect.

Steps log through loguru and know no Prefect; partitions run as plain Dask tasks, outside any Prefect context. So a
small target travels with them and names the run that their lines belong to.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache

import loguru
from loguru import logger
from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging.configuration import setup_logging

from sluice.errors import SluiceError

_FORWARDED = logging.getLogger("prefect.task_runs.sluice")


@dataclass(frozen=True)
class LogTarget:
    """The run whose log a line belongs to."""

    flow_run_id: str
    task_run_id: str | None

    @classmethod
    def current(cls) -> "LogTarget | None":
        """Of the Prefect run that is active here, or of the fan-out that this code is part of."""
        if task := TaskRunContext.get():
            return cls(str(task.task_run.flow_run_id), str(task.task_run.id))
        if (flow := FlowRunContext.get()) and flow.flow_run:
            return cls(str(flow.flow_run.id), None)
        return _target.get()


_target: ContextVar[LogTarget | None] = ContextVar("sluice_log_target", default=None)


@contextmanager
def run_log(target: LogTarget | None) -> Iterator[None]:
    """Send what loguru gets in this block to the target's run as well."""
    if target is None:
        yield
        return
    forward()
    token = _target.set(target)
    try:
        yield
    finally:
        _target.reset(token)


@cache
def forward() -> None:
    """Once a process: hand loguru's lines to Prefect's log, where a run is active."""
    setup_logging()
    logger.add(_send, level="INFO", format="{message}", catch=True)
    logging.getLogger("prefect.task_runs").addFilter(_without_traceback)


def _without_traceback(record: logging.LogRecord) -> bool:
    """A failure that Sluice can explain is one line, here as in the flow's log."""
    if record.exc_info and isinstance(record.exc_info[1], SluiceError):
        record.exc_info = None
    return True


def _send(message: "loguru.Message") -> None:
    target = LogTarget.current()
    if target is None:
        return
    record = message.record
    _FORWARDED.log(
        record["level"].no,
        str(message).rstrip("\n"),
        extra={
            "flow_run_id": target.flow_run_id,
            "task_run_id": target.task_run_id,
            "flow_run_name": "",
            "task_run_name": record["name"],
        },
    )
