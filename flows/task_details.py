"""What Prefect does not know of a task: its arguments, the worker that runs it, its result or error as text.

Noted in the document store (`sluice.task_runs.DETAILS`): the arguments by the flow that submits the task, the rest by
the worker. Never at the expense of the task: a thread writes, and a store that is away costs one line of the log.
"""

import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

import distributed
from loguru import logger
from prefect.context import FlowRunContext, TaskRunContext

from flows.short_text import LONGEST, LONGEST_ARGUMENT, short_text
from observability.redaction import Redactor
from sluice.documents import DocumentStore, open_documents
from sluice.settings import Settings
from sluice.task_runs import DETAILS

P = ParamSpec("P")
R = TypeVar("R")
_WAITING = 1_000  # notes; those beyond are dropped
# How long a task that is done waits for its note: the process may end right after it.
_END_SECONDS = 1.0


class TaskDetails:
    """Writes notes in a thread of its own, in their order.

    Args:
        open_store: called in that thread, when there is a first note.
        redactor: takes secrets out of all texts.
    """

    def __init__(self, open_store: Callable[[], DocumentStore], redactor: Redactor) -> None:
        self._open_store = open_store
        self._redactor = redactor
        self._notes: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue(_WAITING)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._away = False
        self._fan_outs: dict[str, int] = {}

    def submitted(self, id: str, run: str, name: str, parameters: Mapping[str, Any], parents: list[str]) -> None:
        """By the flow's process. Of what another task gives, the task's name stands for it until it is there."""
        fields = {"run": run, "name": name, "submitted": datetime.now(UTC), "parents": parents}
        # Not as arguments: the worker may have noted what they are by now.
        self._note(id, {**fields, "given": self._texts(parameters)})

    def begun(self, id: str, parameters: Mapping[str, Any]) -> None:
        """By the worker, at each try."""
        self._fan_outs[id] = 0
        fields = {"began": datetime.now(UTC), "ended": None, "result": None, "error": None}
        self._note(id, {**fields, **_worker(), "arguments": self._texts(parameters)})

    def fanned_out(self, id: str, tasks: int) -> None:
        """By the worker: the task has made this many Dask tasks of its work."""
        if id in self._fan_outs:
            self._fan_outs[id] += tasks

    def ended(self, id: str, *, result: Any = None, error: BaseException | None = None) -> None:
        """By the worker. It waits for the note to be written, for a second at most, and not where the store is away."""
        texts = {"error": self._text(_told(error))} if error is not None else {"result": self._text(result)}
        self._note(id, {"ended": datetime.now(UTC), "fan_out": self._fan_outs.pop(id, None) or None, **texts})
        self._flush(_END_SECONDS)

    def _texts(self, parameters: Mapping[str, Any]) -> dict[str, str]:
        return {name: self._text(value, LONGEST_ARGUMENT) for name, value in parameters.items()}

    def _text(self, value: Any, longest: int = LONGEST) -> str:
        # Before it is cut to its length: the beginning of a secret would not be known for one.
        return short_text(self._redactor.text(short_text(value, 2 * LONGEST)), longest)

    def _note(self, id: str, fields: dict[str, Any]) -> None:
        with self._starting:
            if self._thread is None:
                # A daemon: a store that hangs must not keep the process from ending.
                self._thread = threading.Thread(target=self._write, name="task-details", daemon=True)
                self._thread.start()
        try:
            self._notes.put_nowait((id, fields))
        except queue.Full:
            self._lost("the document store is too slow")

    def _flush(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        with self._notes.all_tasks_done:
            while self._notes.unfinished_tasks and not self._away and (left := deadline - time.monotonic()) > 0:
                self._notes.all_tasks_done.wait(left)

    def _write(self) -> None:
        store: DocumentStore | None = None
        while True:
            id, fields = self._notes.get()
            try:
                if store is None:
                    store = self._open_store()
                    store.unique(DETAILS, ["id"])
                store.upsert(DETAILS, {"id": id}, fields)
                self._away = False
            except Exception as error:
                self._lost(str(error))
            finally:
                self._notes.task_done()

    def _lost(self, problem: str) -> None:
        if not self._away:
            logger.warning("Arguments and results of tasks are not noted: {}", problem)
        self._away = True


@cache
def task_details() -> TaskDetails:
    """The one of this process."""
    settings = Settings.load()
    return TaskDetails(lambda: open_documents(settings), Redactor(settings))


def noted(fn: Callable[P, R]) -> Callable[P, R]:
    """A task's function that notes on the worker where it runs and what comes of it."""

    # No more than a call: Dask takes it to the worker by value, and nothing of this process must go with it.
    @wraps(fn)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        return _run_noted(fn, *args, **kwargs)

    return run


def _run_noted(fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    context = TaskRunContext.get()
    if context is None:  # the function alone, as a test calls it
        return fn(*args, **kwargs)
    id, details = str(context.task_run.id), task_details()
    details.begun(id, context.parameters)
    try:
        result = fn(*args, **kwargs)
    except BaseException as error:
        details.ended(id, error=error)
        raise
    details.ended(id, result=result)
    return result


def note_submitted(id: object, name: str, parameters: Mapping[str, Any], parents: list[str]) -> None:
    """In a flow's process: this task was submitted by the flow that runs here."""
    flow = FlowRunContext.get()
    if flow is not None and flow.flow_run is not None:
        task_details().submitted(str(id), str(flow.flow_run.id), name, parameters, parents)


def note_fan_out(tasks: int) -> None:
    """In a task, on a worker: it has made this many Dask tasks of its work."""
    context = TaskRunContext.get()
    if context is not None:
        task_details().fanned_out(str(context.task_run.id), tasks)


def _worker() -> dict[str, Any]:
    try:
        worker = distributed.get_worker()
    except ValueError:  # the task runs in the flow's own process
        return {"worker": None, "host": None, "pid": os.getpid()}
    return {"worker": worker.address, "host": worker.host, "pid": os.getpid()}


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
