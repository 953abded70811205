"""Tasks and workers, without HTTP: `serving.tasks.routes` puts them on the wire."""

from datetime import UTC, datetime, timedelta
from functools import cached_property
from threading import Lock

from serving.operations import Operations
from serving.tasks.schemas import TaskPage
from sluice.task_listing import TaskListing
from sluice.task_names import TaskName
from sluice.task_query import TaskQuery
from sluice.task_runs import TaskRun
from sluice.workers import Workers, all_workers

NAMES_DAYS = 7


class TaskHandlers:
    """Bound to what the process's other operating routes use."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._opening = Lock()

    async def page(self, query: TaskQuery, limit: int, cursor: str) -> TaskPage:
        """See `TaskListing.page`."""
        return await self._operations.call(self._page, query, limit, cursor)

    async def names(self, since: datetime | None) -> list[TaskName]:
        """Figures by name, of the last seven days if nothing else is asked for."""
        return await self._operations.call(self._names, since or datetime.now(UTC) - timedelta(days=NAMES_DAYS))

    async def one(self, id: str) -> TaskRun:
        """One task.

        Raises:
            TaskNotFoundError: there is none, or it is older than the archive.
        """
        return await self._operations.call(self._one, id)

    async def workers(self) -> Workers:
        """See `all_workers`."""
        return await self._operations.call(self._workers)

    def _page(self, query: TaskQuery, limit: int, cursor: str) -> TaskPage:
        tasks, after = self._opened.page(query, limit, cursor)
        return TaskPage(tasks=tasks, next=after)

    def _names(self, since: datetime) -> list[TaskName]:
        return self._opened.names(since)

    def _one(self, id: str) -> TaskRun:
        return self._opened.one(id)

    def _workers(self) -> Workers:
        return all_workers(self._operations.prefect, self._operations.settings)

    @property
    def _opened(self) -> TaskListing:
        with self._opening:
            return self._listing

    @cached_property
    def _listing(self) -> TaskListing:
        # In a thread of `call`: the store connects now.
        return TaskListing(self._operations.documents, self._operations.prefect, self._operations.settings)
