"""``GET /logs``: the log of any component, a page at a time."""

import json
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import ConfigDict, Field

from serving.operations import Operations
from serving.schemas import Schema
from sluice.component_logs import MOST_LINES, LogFilter
from sluice.moment import moment

_MOMENT = "10m, 2h or 3d ago, or a date and time, which is UTC where it names no zone"
_CURSOR = 16 << 10


class LoggedLine(Schema):
    """What else the line says (``flow_run_id``, ``model``, ``error`` {type, message, stack}, …) stands beside these."""

    model_config = ConfigDict(frozen=True, extra="allow")

    at: datetime
    level: str
    service: str
    message: str
    logger: str


class LoggedLines(Schema):
    """The newest line first. A page may hold fewer lines than were asked for while ``next`` leads on."""

    lines: list[LoggedLine]
    next: str | None = Field(description="the cursor of what was before these; null when that is all")
    newer: str | None = Field(description="the cursor of what comes after these, to follow a log; on the first page")


class LogServices(Schema):
    services: list[str]


def log_routes(operations: Operations) -> APIRouter:
    """The routes that read the logs which the settings name."""
    router = APIRouter(tags=["logs"])

    @router.get("/logs", response_model=LoggedLines)
    async def read(
        service: Annotated[str, Query(max_length=256, description="a component, as /logs/services lists them")] = "",
        level: Annotated[str, Query(max_length=16, description="the least level, such as WARNING")] = "",
        since: Annotated[str, Query(max_length=64, description=_MOMENT)] = "",
        until: Annotated[str, Query(max_length=64, description=_MOMENT)] = "",
        contains: Annotated[str, Query(max_length=1024, description="a part of the message, in any case")] = "",
        run: Annotated[str, Query(max_length=64, description="lines of this run, or that name it")] = "",
        limit: Annotated[int, Query(ge=1, le=MOST_LINES)] = 100,
        cursor: Annotated[str, Query(max_length=_CURSOR, description="next or newer of another page")] = "",
    ) -> Response:
        """Lines of the service, the workers, the scheduler, the registry, …: the newest first.

        To follow a log, ask again and again with the cursor `newer` of the answer before.
        """
        wanted = LogFilter(
            service=service,
            level=level,
            since=moment(since, "since") if since else None,
            until=moment(until, "until") if until else None,
            contains=contains,
            run=run,
        )
        page = await operations.call(operations.logs.lines, wanted, limit, cursor)
        answer = {"lines": [line.flat() for line in page.lines], "next": page.older, "newer": page.newer}
        return Response(json.dumps(answer, default=str), media_type="application/json")

    @router.get("/logs/services", response_model=LogServices)
    async def services() -> Response:
        """Whose logs there are."""
        names = await operations.call(operations.logs.services)
        return Response(json.dumps({"services": names}), media_type="application/json")

    return router
