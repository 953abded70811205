"""Tasks and workers over HTTP: paths, parameters, documentation. What is done is in `serving.tasks.handlers`."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from serving.operations import Operations
from serving.tasks.handlers import TaskHandlers
from serving.tasks.schemas import TaskPage
from sluice.moment import moment
from sluice.task_names import TaskName
from sluice.task_query import TaskQuery
from sluice.task_runs import TaskRun
from sluice.task_table import csv_of
from sluice.workers import Workers

MOST_TASKS = 1_000
CSV = "text/csv"

Moment = Annotated[
    str, Query(max_length=64, description="ISO 8601, UTC if it names no zone; or how long ago: 30m, 2h, 7d")
]


def task_routes(operations: Operations) -> APIRouter:
    """Bound to one process's adapters."""
    router, handlers = APIRouter(tags=["tasks"]), TaskHandlers(operations)

    @router.get("/tasks", response_model=TaskPage, responses={200: {"content": {CSV: {"schema": {"type": "string"}}}}})
    async def tasks(
        request: Request,
        name: Annotated[str, Query(max_length=256, description="flow.task, or a task's name in any flow")] = "",
        state: Annotated[
            str, Query(max_length=256, description="types, or names, with commas: failed,crashed or Cached")
        ] = "",
        run: Annotated[str, Query(max_length=64, description="a run's id; the tasks of its stages too")] = "",
        deployment: Annotated[str, Query(max_length=256, description="flow/use_case")] = "",
        worker: Annotated[str, Query(max_length=256, description="a Dask worker's address, or a host")] = "",
        since: Moment = "",
        until: Moment = "",
        limit: Annotated[int, Query(ge=1, le=MOST_TASKS, description="most tasks of a page")] = 100,
        cursor: Annotated[str, Query(max_length=512, description="`next` of the page before")] = "",
        format: Annotated[Literal["json", "csv"] | None, Query(description="instead of the Accept header")] = None,
    ) -> Response:
        """The table of tasks, newest first: arguments, worker, states, result or error, family.

        As CSV the next page is in the header `Link`.
        """
        states = tuple(part for part in state.split(",") if part)
        between = _moment(since, "since"), _moment(until, "until")
        query = TaskQuery(name, states, (run,) if run else (), deployment, worker, *between)
        page = await handlers.page(query, limit, cursor)
        if not _wants_csv(format, request.headers.get("accept", "")):
            return Response(page.model_dump_json(), media_type="application/json")
        links = {}
        if page.next is not None:
            after = request.url.include_query_params(cursor=page.next)
            links["Link"] = f'<{after.path}?{after.query}>; rel="next"'
        return Response(csv_of(page.tasks), media_type=f"{CSV}; charset=utf-8; header=present", headers=links)

    @router.get("/tasks/names")
    async def names(since: Moment = "") -> list[TaskName]:
        """Tasks grouped by name: how many, in which states, mean and 95th percentile of their runtime."""
        return await handlers.names(_moment(since, "since"))

    @router.get("/tasks/{id}")
    async def task(id: Annotated[str, Path(max_length=64)]) -> TaskRun:
        """One task."""
        return await handlers.one(id)

    @router.get("/workers")
    async def workers() -> Workers:
        """Who works: Prefect's workers and Dask's, with what they have in hand."""
        return await handlers.workers()

    return router


def _moment(text: str, field: str) -> datetime | None:
    return moment(text, field) if text else None


def _wants_csv(format: str | None, accept: str) -> bool:
    return format == "csv" if format else CSV in accept.lower()
