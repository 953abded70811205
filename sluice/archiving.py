"""Copies runs and tasks from Prefect into the archive: what is under way, and what has ended since the last look.

Whoever looks goes on from where the last one was, with an overlap: states are recorded late, and by clocks that differ.
What is written is the same however often it is written, so several processes may look at once.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from loguru import logger

from sluice.archive import Archive, horizon
from sluice.errors import ServiceRefusedError, ServiceUnavailableError
from sluice.run_details import RESULT
from sluice.run_names import RunNames
from sluice.run_summary import Run, RunSummary
from sluice.runs import FINAL, UNDER_WAY, FlowRun, PrefectRuns, all_cached
from sluice.settings import Settings
from sluice.task_runs import TaskRun, task_runs

T = TypeVar("T")
OVERLAP = timedelta(minutes=5)
# How long after its end a run is asked about at every look: a busy Prefect records a task's states that much later.
SETTLING = timedelta(minutes=1)
# The first look at a server, or one after a long time, goes this far at a time, and can be taken up after each step.
STEP = timedelta(days=1)
# Those that wait to be tried again have begun, which other scheduled ones have not.
_UNDER_WAY = {
    "state": {"operator": "or_", "type": {"any_": [*UNDER_WAY, "PAUSED"]}, "name": {"any_": ["AwaitingRetry"]}}
}
_RUNS_AT_ONCE = 50
_REMEMBERED = 100_000


class Looked(NamedTuple):
    """What one look wrote. ``complete``: nothing that was in Prefect then is missing in the archive."""

    runs: int = 0
    tasks: int = 0
    complete: bool = True

    def plus(self, other: "Looked") -> "Looked":
        return Looked(self.runs + other.runs, self.tasks + other.tasks, self.complete and other.complete)


class Archiving:
    """Not for several threads at once.

    Args:
        progress: called before each request for more runs.
    """

    def __init__(
        self, prefect: PrefectRuns, archive: Archive, settings: Settings, progress: Callable[[], None] = lambda: None
    ) -> None:
        self._prefect, self._archive = prefect, archive
        self._names = RunNames.of(prefect, settings)
        self._keep_days = settings.retention.runs_days
        self._progress = progress
        self._written: dict[str, int] = {}  # by id: a hash of what was written last
        self._settled: set[tuple[str, str]] = set()  # runs of which nothing more can come, and when they changed last
        self._settled_before = datetime.min.replace(tzinfo=UTC)

    def look(self, seconds: float | None = None, now: datetime | None = None) -> Looked:
        """Copy what is new or has changed.

        Args:
            seconds: stop after about this long, where another look can go on.

        Raises:
            ServiceUnavailableError: Prefect or the document store; the next look goes on from where this one was.
        """
        now = now or datetime.now(UTC)
        self._settled_before = now - SETTLING
        deadline = None if seconds is None else time.monotonic() + seconds
        self._archive.prepare()
        if len(self._written) > _REMEMBERED:
            self._written, self._settled = {}, set()
        seen: set[str] = set()
        looked = self._copy_found(_UNDER_WAY, seen)
        start = self._archive.copied_until() or horizon(now, self._keep_days)
        while start < now:
            end = min(start + STEP, now)
            # The last step has no end: by another clock, a run may have ended a little later than now.
            until = {} if end == now else {"before_": end.isoformat()}
            ended = {"end_time": {"after_": (start - OVERLAP).isoformat(), **until}}
            looked = looked.plus(self._copy_found(ended, seen))
            self._archive.set_copied_until(end)
            start = end
            if deadline is not None and time.monotonic() > deadline and start < now:
                return looked._replace(complete=False)
        looked = looked.plus(self._copy_lost(self._archive.unfinished() - seen))
        self._archive.set_looked_at(now)
        return looked

    def _copy_found(self, filter: dict[str, Any], seen: set[str]) -> Looked:
        # What ends meanwhile comes first and moves the rest, so that some is found twice and nothing is missed.
        found = self._prefect.every("/flow_runs/filter", {"flow_runs": filter, "sort": "END_TIME_DESC"})
        looked = Looked()
        for some in _batches(found, _RUNS_AT_ONCE):
            self._progress()
            seen.update(one["id"] for one in some)
            looked = looked.plus(self._copy(some))
        return looked

    def _copy_lost(self, ids: set[str]) -> Looked:
        """Runs that were under way when they were copied, and since have left that state unnoticed, or are gone."""
        looked = Looked()
        for some in _batches(sorted(ids), _RUNS_AT_ONCE):
            self._progress()
            found = list(self._prefect.every("/flow_runs/filter", {"flow_runs": {"id": {"any_": some}}}))
            looked = looked.plus(self._copy(found))
            for id in set(some) - {one["id"] for one in found}:
                self._archive.forget_run(id)
        return looked

    def _copy(self, found: Sequence[dict[str, Any]]) -> Looked:
        fresh = [one for one in found if (one["id"], one["updated"]) not in self._settled]
        if not fresh:
            return Looked()
        runs = self._names.summaries(FlowRun.model_validate(one) for one in fresh)
        ids = [run.id for run in runs]
        tasks: dict[str, list[dict[str, Any]]] = {id: [] for id in ids}
        for task in self._prefect.every("/task_runs/filter", {"task_runs": {"flow_run_id": {"any_": ids}}}):
            tasks[task["flow_run_id"]].append(task)
        details = self._archive.details(ids)
        results = self._results([run.id for run in runs if run.state_type in FINAL])
        looked = Looked()
        for run, one in zip(runs, fresh, strict=True):
            made = task_runs(run, tasks[run.id], details.get(run.id, {}))
            content = {"parameters": one.get("parameters") or {}, "result": results.get(run.id)}
            try:
                wrote = self._put(run, content, made)
            except (ServiceUnavailableError, ServiceRefusedError):
                raise
            except Exception:
                # The others must not wait for one that the store cannot keep, and which it will not keep later.
                logger.bind(flow_run_id=run.id).exception("The run {} cannot be put into the archive", run.name)
                self._settled.add((run.id, one["updated"]))
                continue
            looked = looked.plus(wrote)
            unheard = details.get(run.id, {}).keys() - {task["id"] for task in tasks[run.id]}
            over = run.state_type in FINAL and run.ended is not None and run.ended < self._settled_before
            if wrote == Looked() and over and not unheard and all(task.final for task in made):
                self._settled.add((run.id, one["updated"]))
        return looked

    def _results(self, ids: Sequence[str]) -> dict[str, Any]:
        """What runs gave, as `flows.result` leaves it with them."""
        if not ids:
            return {}
        query = {"artifacts": {"flow_run_id": {"any_": list(ids)}, "type": {"any_": [RESULT]}}, "sort": "CREATED_DESC"}
        newest_last = reversed(list(self._prefect.every("/artifacts/filter", query)))
        return {one["flow_run_id"]: _decoded(one["data"]) for one in newest_last}

    def _put(self, summary: RunSummary, content: dict[str, Any], tasks: Sequence[TaskRun]) -> Looked:
        changed = [task for task in tasks if self._is_new(task)]
        for task in changed:
            self._archive.put_task(task)
            self._remember(task)
        # Without its stages, which are added to it below and by those that are copied later.
        unchanged = all_cached((task.task, task.state_type, task.state) for task in tasks)
        run = Run(**summary.model_dump(), **content, unchanged=unchanged)
        if not self._is_new(run) and not changed:
            return Looked()
        self._archive.put_run(run)
        self._remember(run)
        for id in filter(None, (run.id, run.parent)):
            self._archive.put_stages(id)
        return Looked(1, len(changed))

    def _is_new(self, one: Run | TaskRun) -> bool:
        return self._written.get(one.id) != _hash(one)

    def _remember(self, one: Run | TaskRun) -> None:
        self._written[one.id] = _hash(one)


def _hash(one: Run | TaskRun) -> int:
    # How long a run has been under way is no change of it; it is told again when it has ended.
    under_way = isinstance(one, Run) and one.ended is None
    return hash(one.model_dump_json(exclude={"seconds"} if under_way else None))


def _decoded(data: Any) -> Any:
    """Prefect keeps JSON as text."""
    return json.loads(data) if isinstance(data, str) else data


def _batches(found: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(found)
    while batch := list(islice(rest, size)):
        yield batch
