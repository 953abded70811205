"""The table of tasks as people read it: from the archive, which is brought up to date first where nobody does that."""

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Lock

from sluice.archive import Archive
from sluice.archiving import Archiving
from sluice.documents import DocumentStore
from sluice.errors import ServiceUnavailableError, TaskNotFoundError
from sluice.paging import Cursor, Position
from sluice.runs import PrefectRuns
from sluice.settings import Settings
from sluice.task_names import COLUMNS, TaskName, task_names
from sluice.task_query import TaskQuery
from sluice.task_runs import TaskRun

# Twice what the exporter needs between two looks. With it at work, a reader never asks Prefect.
_STALE_LOOKS = 2.5
# How long a reader waits where there is much to copy, such as where the exporter has not run for a week.
_LOOK_SECONDS = 0.5
# Between two tries of a reader while Prefect does not answer: each may take as long as it hangs.
_RETRY_SECONDS = 15.0


class TaskListing:
    """Threads may share it. Reading raises ServiceUnavailableError without the document store, never without Prefect.

    Where the exporter does not run, readers do its work: the archive is as fresh as the last of them.
    """

    def __init__(self, documents: DocumentStore, prefect: PrefectRuns, settings: Settings) -> None:
        self._archive = Archive(documents)
        self._prefect = prefect
        self._archiving = Archiving(prefect, self._archive, settings)
        self._stale = timedelta(seconds=max(2.0, _STALE_LOOKS * settings.exporter.seconds))
        self._looking = Lock()
        self._not_before = 0.0

    def page(self, query: TaskQuery, limit: int, cursor: str = "") -> tuple[list[TaskRun], str | None]:
        """The next tasks, newest first, and the cursor of those after them; None when there are no more.

        Args:
            query: of a run that started others, their tasks too.

        Raises:
            InputInvalidError: the cursor is none of ours.
        """
        after = Cursor.parse(cursor).position if cursor else None
        self._freshen()
        if query.runs:
            query = query._replace(runs=self._archive.with_stages(query.runs))
        found = self._archive.tasks(query, limit + 1, after)
        if len(found) <= limit:
            return found, None
        last = found[limit - 1]
        return found[:limit], str(Cursor(Position(last.received, last.id)))

    def one(self, id: str) -> TaskRun:
        """One task.

        Raises:
            TaskNotFoundError: there is none, or it is older than the archive.
        """
        self._freshen()
        with suppress(TaskNotFoundError):
            return self._archive.task(id)
        # It may be younger than the last look.
        self._freshen(stale=timedelta(seconds=0.5))
        return self._archive.task(id)

    def names(self, since: datetime) -> list[TaskName]:
        """Figures of all tasks received since then, by name."""
        self._freshen()
        return task_names(self._archive.columns(since, COLUMNS))

    def _freshen(self, stale: timedelta | None = None) -> None:
        if time.monotonic() < self._not_before or not self._looking.acquire(blocking=False):
            return  # Prefect is away, or somebody is at it
        try:
            looked = self._archive.looked_at()
            if looked is None or datetime.now(UTC) - looked > (self._stale if stale is None else stale):
                self._archiving.look(_LOOK_SECONDS)
        except ServiceUnavailableError:
            # What Prefect does not tell now, the archive may know all the same.
            self._not_before = time.monotonic() + _RETRY_SECONDS
        finally:
            self._looking.release()
