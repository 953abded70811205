"""Lines of steps, of their fan-out and of failures, in the log of their run."""

import inspect
import logging
from collections.abc import Iterator

import pytest
from loguru import logger
from prefect import task_engine

from flows.run_log import ADVICE, LogTarget, forward, run_log, without_traceback
from sluice.errors import ServiceUnavailableError
from tests import runs
from tests.conftest import Stack


class Lines(logging.Handler):
    """Keeps records, as Prefect's handler gets them."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[logging.LogRecord]]:
    """What is sent on. Without Prefect's own handlers, which would look for a server."""
    handler = Lines()
    forwarded = logging.getLogger("prefect.task_runs.sluice")
    monkeypatch.setattr(forwarded, "propagate", False)
    monkeypatch.setattr(forwarded, "level", logging.INFO)
    monkeypatch.setattr("flows.run_log.setup_logging", lambda: None)
    forwarded.addHandler(handler)
    before = set(logger._core.handlers)  # type: ignore[attr-defined]  # loguru has no public list of them
    forward.cache_clear()
    yield handler.records
    for added in set(logger._core.handlers) - before:  # type: ignore[attr-defined]
        logger.remove(added)
    forward.cache_clear()
    forwarded.removeHandler(handler)


def test_prefects_advice_on_timeouts_is_in_no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be a paragraph for each task on a worker. The text is Prefect's, whose next version may have another."""
    assert ADVICE in inspect.getsource(task_engine)
    handler, tasks = Lines(), logging.getLogger("prefect.task_runs")
    # Without Prefect's own, which an earlier test may have set up, and which wants to know a run.
    monkeypatch.setattr(tasks, "handlers", [handler])
    monkeypatch.setattr(tasks, "propagate", False)
    monkeypatch.setattr(tasks, "level", logging.INFO)
    monkeypatch.setattr(tasks, "disabled", False)
    tasks.warning(ADVICE + "running in a worker thread.", 1800.0)
    tasks.warning("another line")
    assert [record.getMessage() for record in handler.records] == ["another line"]


def test_lines_go_to_the_run_that_they_belong_to(lines: list[logging.LogRecord]) -> None:
    """Inside a block a line has the run's ids, the innermost block's; outside, and below INFO, nothing is sent."""
    with run_log(LogTarget("flow-1", "task-1")):
        logger.info("one {}", "1")
        logger.debug("not sent")
        with run_log(LogTarget("flow-1", "task-2")):
            logger.warning("two {braces}")
    logger.info("of no run")
    with run_log(None):
        logger.info("of no run either")
    sent = [(line.getMessage(), line.levelname, line.flow_run_id, line.task_run_id) for line in lines]  # type: ignore[attr-defined]
    assert sent == [
        ("one 1", "INFO", "flow-1", "task-1"),
        ("two {braces}", "WARNING", "flow-1", "task-2"),
    ]


def test_a_failure_that_is_explained_has_no_traceback() -> None:
    """Ours loses it and goes through; anybody else's keeps it, since there it is all that there is."""
    ours = ServiceUnavailableError(service="MLflow", address="here", hint="")
    for error, kept in ((ours, False), (ValueError("why"), True)):
        record = logging.LogRecord("n", logging.ERROR, "", 1, "failed", None, (type(error), error, None))
        assert without_traceback(record) is True
        assert (record.exc_info is not None) is kept


@pytest.mark.integration
def test_a_workers_lines_are_in_the_runs_log(stack: Stack) -> None:
    """What the use case logs within a task, with the module that logged it, is read through Prefect's API."""
    ended = runs.run(stack, "ingest/tiny", offset=70_000_000, rows=200, bad_rows=3)
    assert ended.completed, ended.message
    assert "3 of 200 rows refused" in runs.log(stack, ended.id, needle="rows refused")
