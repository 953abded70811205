"""The archive: runs and tasks in the document store, where they outlive Prefect's own retention.

A document a run in `RUNS` (the fields of `sluice.run_summary.Run`) and one a task in `TASKS` (those of
`sluice.task_runs.TaskRun`), each with a unique ``id``. `sluice.archiving` puts them there.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from threading import Lock

from sluice.documents import Document, DocumentStore, Filter
from sluice.errors import DocumentDuplicateError, TaskNotFoundError
from sluice.forgotten_runs import RUNS
from sluice.paging import Position
from sluice.run_filter import TYPES
from sluice.run_summary import Run, Stage
from sluice.runs import FINAL
from sluice.task_query import TaskQuery
from sluice.task_runs import DETAILS, TaskRun

TASKS = "task_runs"
_CURSOR = "archive_cursor"
_KEY = {"id": "archive"}
# By what the tables are filtered, and the time they are sorted by.
_INDEXES = {
    RUNS: (("due",), ("flow", "due"), ("state_type", "due"), ("parent", "created")),
    TASKS: tuple((*by, "received") for by in ((), ("name",), ("run",), ("state_type",), ("worker",), ("deployment",))),
    DETAILS: (("run", "submitted"), ("submitted",)),
}


class Archive:
    """Threads may share it. Every method may raise ServiceUnavailableError."""

    def __init__(self, documents: DocumentStore) -> None:
        self._store = documents
        self._prepared = False
        self._preparing = Lock()

    def prepare(self) -> None:
        """Make the indexes, once a process."""
        with self._preparing:
            if self._prepared:
                return
            for collection, indexes in _INDEXES.items():
                self._store.unique(collection, ["id"])
                for fields in indexes:
                    self._store.index(collection, fields)
            self._prepared = True

    def tasks(self, query: TaskQuery, limit: int, after: Position | None = None) -> list[TaskRun]:
        """Newest first. ``after``: only those that come after this one in that order."""
        self.prepare()
        filter, order = query.filter(), [("received", -1), ("id", -1)]
        if after is None:
            return _tasks(self._store.find(TASKS, filter, sort=order, limit=limit))
        # Two finds, for the port has no «or»: those of the same time (as a range, for the index), and those before it.
        now = {"$gte": after.at, "$lte": after.at}
        same = {**filter, "received": now, "id": {"$lt": after.id}} if query.holds(after.at) else None
        found = [] if same is None else self._store.find(TASKS, same, sort=order, limit=limit)
        if len(found) < limit:
            before = {**filter.get("received", {}), "$lt": min(after.at, query.until or after.at)}
            more = self._store.find(TASKS, {**filter, "received": before}, sort=order, limit=limit - len(found))
            found = found + more
        return _tasks(found)

    def task(self, id: str) -> TaskRun:
        """One task.

        Raises:
            TaskNotFoundError: it is not, or not yet, in the archive.
        """
        self.prepare()
        found = self._store.find_one(TASKS, {"id": id})
        if found is None:
            raise TaskNotFoundError(task=id)
        return TaskRun.model_validate(found)

    def columns(self, since: datetime, fields: Sequence[str]) -> list[Document]:
        """These fields of every task received since then, in no order."""
        self.prepare()
        return self._store.find(TASKS, {"received": {"$gte": since}}, fields=fields)

    def with_stages(self, runs: Sequence[str]) -> list[str]:
        """These runs, and those that they started."""
        started = self._store.find(RUNS, {"parent": {"$in": list(runs)}}, fields=["id"])
        return [*runs, *(one["id"] for one in started)]

    def put_stages(self, run: str) -> None:
        """What a run in the archive started, as far as it is there too, and the tasks of all of them."""
        started = self._store.find(RUNS, {"parent": run}, sort=[("created", 1)])
        # Of a flow that was started again, the last run.
        stages = {one["flow"]: Stage.model_validate({**one, "run": one["id"]}).model_dump() for one in started}
        ids = [run, *(one["id"] for one in started)]
        states = Counter(one["state"] for one in self._store.find(TASKS, {"run": {"$in": ids}}, fields=["state"]))
        fields: Document = {"stages": list(stages.values()), "tasks": dict(states)}
        if stages:
            unchanged = [one["unchanged"] for one in stages.values()]
            fields["unchanged"] = None if None in unchanged else all(unchanged)
        self._store.update(RUNS, {"id": run}, fields)

    def unfinished(self) -> set[str]:
        """Ids of runs that were not over when they were copied."""
        types = sorted(TYPES - FINAL)
        return {one["id"] for one in self._store.find(RUNS, {"state_type": {"$in": types}}, fields=["id"])}

    def details(self, runs: Sequence[str]) -> dict[str, dict[str, Document]]:
        """What was noted of the tasks of these runs: by run, by task."""
        found: dict[str, dict[str, Document]] = {}
        for one in self._store.find(DETAILS, {"run": {"$in": list(runs)}}):
            found.setdefault(one["run"], {})[one["id"]] = one
        return found

    def put_run(self, run: Run) -> None:
        # What is not set says nothing: it stays as it was.
        self._put(RUNS, run.model_dump(exclude_unset=True))

    def put_task(self, task: TaskRun) -> None:
        self._put(TASKS, task.model_dump())

    def forget_run(self, id: str) -> None:
        """Of one that somebody deleted before it was over."""
        self._store.delete(RUNS, {"id": id})
        self._store.delete(TASKS, {"run": id})

    def drop(self, before: datetime) -> int:
        """Remove what ended, or was received, before then; gives the number of documents."""
        old = {"$lt": before}
        runs = self._store.delete(RUNS, {"ended": old})
        return runs + self._store.delete(TASKS, {"received": old}) + self._store.delete(DETAILS, {"submitted": old})

    def copied_until(self) -> datetime | None:
        """All runs that ended before then are in the archive."""
        return (self._store.find_one(_CURSOR, _KEY) or {}).get("until")

    def looked_at(self) -> datetime | None:
        """When somebody last looked for what is new, and copied all of it."""
        return (self._store.find_one(_CURSOR, _KEY) or {}).get("looked")

    def set_copied_until(self, until: datetime) -> None:
        self._store.upsert(_CURSOR, _KEY, {"until": until})

    def set_looked_at(self, now: datetime) -> None:
        self._store.upsert(_CURSOR, _KEY, {"looked": now})

    def _put(self, collection: str, document: Document) -> None:
        key: Filter = {"id": document["id"]}
        try:
            self._store.upsert(collection, key, document)
        except DocumentDuplicateError:
            # MongoDB's upsert is not atomic: another process has inserted it between its look and its write.
            self._store.upsert(collection, key, document)


def _tasks(found: Iterable[Document]) -> list[TaskRun]:
    return [TaskRun.model_validate(one) for one in found]


def horizon(now: datetime, days: float) -> datetime:
    """Before when the archive keeps nothing."""
    return now - timedelta(days=days)
