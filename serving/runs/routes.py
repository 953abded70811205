"""The routes of runs: paths, parameters, statuses. What they do is in `serving.runs.handlers`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, FastAPI, Path, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel

from observability.tracing import parsed, traceparent
from serving.exchange import read_json
from serving.operations import Operations
from serving.runs.handlers import RunHandlers
from serving.runs.leaving import when_leaving
from serving.runs.log_stream import ENDED, Streams
from serving.runs.schemas import DeploymentList, LineList, RunBody, RunList, RunQuery
from sluice.run_listing import MOST_RUNS
from sluice.run_logs import MOST_LINES
from sluice.run_summary import Run

EVENTS = "text/event-stream"
_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": RunBody.model_json_schema()}}}}

Id = Annotated[str, Path(max_length=64, description="the run's id")]
Text = Annotated[str | None, Query(max_length=256)]
CursorText = Annotated[str, Query(max_length=256, description="`next` of the page before")]


def run_routes(operations: Operations) -> APIRouter:
    """All routes of runs and deployments."""
    streams = Streams(operations.settings.serving.limits.streams)
    handlers = RunHandlers(operations, streams)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with when_leaving(streams.leave):
            yield

    router = APIRouter(tags=["runs"], lifespan=lifespan)
    _add_runs(router, handlers)
    _add_one(router, handlers)
    _add_logs(router, handlers)
    return router


def _add_runs(router: APIRouter, handlers: RunHandlers) -> None:
    @router.get("/deployments", response_model=DeploymentList)
    async def deployments() -> Response:
        """What can be started: every flow of every use case, its parameters and its schedules."""
        return _told(DeploymentList(deployments=await handlers.deployments()), 200)

    @router.post(
        "/runs",
        status_code=201,
        response_model=Run,
        responses={200: {"model": Run, "description": "the run that the idempotency key had made before"}},
        openapi_extra=_BODY,
    )
    async def start(request: Request) -> Response:
        """Start a deployment. Its parameters are checked first; a header Idempotency-Key makes asking again safe."""
        key = request.headers.get("idempotency-key", "")
        given = request.headers.get("traceparent", "")
        trace = traceparent() or (given if parsed(given) else "")
        run, made = await handlers.start(read_json(await request.body()), _caller(request), key, trace)
        return _told(run, 201 if made else 200, {"Location": f"/runs/{run.id}"})

    @router.get("/runs")
    async def listed(
        deployment: Annotated[str | None, Query(max_length=256, description="flow/use_case")] = None,
        flow: Text = None,
        use_case: Text = None,
        state: Annotated[
            str | None, Query(max_length=256, description="types or names, with commas: failed,crashed or Late")
        ] = None,
        since: Annotated[str | None, Query(max_length=64, description="due at or after; ISO 8601")] = None,
        until: Annotated[
            str | None, Query(max_length=64, description="due at or before; now, unless a state is asked for")
        ] = None,
        parent: Annotated[str | None, Query(max_length=64, description="a run's id, or none")] = None,
        limit: Annotated[int, Query(ge=1, le=MOST_RUNS)] = 50,
        cursor: CursorText = "",
    ) -> RunList:
        """Runs, the newest due time first; those that Prefect has forgotten come from the document store."""
        query = RunQuery(
            deployment=deployment,
            flow=flow,
            use_case=use_case,
            state=state,
            since=since,
            until=until,
            parent=parent,
            limit=limit,
            cursor=cursor,
        )
        return await handlers.page(query)


def _add_one(router: APIRouter, handlers: RunHandlers) -> None:
    @router.get("/runs/{id}", response_model=Run)
    async def run(id: Id) -> Response:
        """One run: its state, stages, parameters, result, artifacts, and how its tasks are doing."""
        return _told(await handlers.read(id), 200)

    @router.post(
        "/runs/{id}/cancel",
        status_code=202,
        response_model=Run,
        responses={200: {"model": Run, "description": "it was over already"}},
    )
    async def cancel(request: Request, id: Id) -> Response:
        """Have a run ended, with the stages that it started. What they finished is kept."""
        run, over = await handlers.cancel(id, _caller(request))
        return _told(run, 200 if over else 202)

    @router.post("/runs/{id}/retry", status_code=202, response_model=Run)
    async def retry(request: Request, id: Id) -> Response:
        """Try a run again that failed, crashed or was cancelled. Its finished stages are skipped."""
        return _told(await handlers.retry(id, _caller(request)), 202)


def _add_logs(router: APIRouter, handlers: RunHandlers) -> None:
    @router.get(
        "/runs/{id}/logs",
        response_model=LineList,
        responses={200: {"content": {EVENTS: {"schema": {"type": "string"}}}}, 204: {"description": "it has ended"}},
    )
    async def lines(
        request: Request,
        id: Id,
        level: Annotated[str, Query(max_length=16, description="least level: INFO, WARNING, … or a number")] = "",
        limit: Annotated[int, Query(ge=1, le=MOST_LINES)] = 200,
        cursor: CursorText = "",
        follow: Annotated[bool, Query(description=f"server-sent events, as with Accept: {EVENTS}")] = False,
    ) -> Response:
        """A run's log with the lines of its stages: page by page, or followed until the run is over."""
        if not follow and EVENTS not in request.headers.get("accept", ""):
            return _told(await handlers.lines(id, level, limit, cursor), 200)
        # A browser that lost the connection says what it got last.
        last = request.headers.get("last-event-id", "")
        if last == ENDED:
            return Response(status_code=204)
        stream = await handlers.follow(id, level, last or cursor)
        # Caches and proxies are to pass each event on when it comes.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(stream.events(), media_type=EVENTS, headers=headers)


def _told(content: BaseModel, status: int, headers: dict[str, str] | None = None) -> Response:
    # Here and not by the framework: an artifact may hold NaN, which is no JSON.
    return Response(content.model_dump_json(), status, headers, media_type="application/json")


def _caller(request: Request) -> str:
    return str(request.scope.get("caller") or "anonymous")
