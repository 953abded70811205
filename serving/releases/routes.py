"""Releases on the wire: paths, parameters, documentation."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import TypeAdapter

from serving.exchange import read_json
from serving.operations import Operations
from serving.releases.handlers import Releases
from serving.releases.schemas import PromoteBody, Released, RollbackBody, number
from sluice.evaluation import Evaluation
from sluice.promotions import Promotion
from sluice.version_details import VersionDetails

Name = Annotated[str, Path(max_length=256)]
Number = Annotated[str, Path(max_length=18, description="a version")]
Cursor = Annotated[str | None, Query(max_length=18, description="of the header Link, for the versions before these")]
_VERSIONS = TypeAdapter(list[VersionDetails])
_PROMOTIONS = TypeAdapter(list[Promotion])


def release_routes(operations: Operations) -> APIRouter:
    """Versions, history, promotions and evaluations."""
    router, releases = APIRouter(tags=["models"]), Releases(operations)
    _add_reading(router, operations, releases)
    _add_releases(router, operations, releases)
    return router


def _add_reading(router: APIRouter, operations: Operations, releases: Releases) -> None:
    @router.get("/models/{name}/versions", response_model=list[VersionDetails])
    async def versions(
        name: Name, limit: Annotated[int, Query(ge=1, le=200, description="most versions")] = 50, cursor: Cursor = None
    ) -> Response:
        """Registered versions, newest first, with their metrics, parameters and tables.

        The header `Link` (RFC 8288, `rel="next"`) has the address of those before them.
        """
        before = None if cursor is None else number(name, cursor, "cursor")

        def read() -> tuple[bytes, str | None]:
            page, more = releases.versions(name, limit, before)
            return _VERSIONS.dump_json(page), more

        body, more = await operations.call(read)
        following = f"</models/{quote(name, safe='')}/versions?limit={limit}&cursor={more}>"
        return _json(body, {"Link": f'{following}; rel="next"'} if more else {})

    @router.get("/models/{name}/history", response_model=list[Promotion])
    async def history(
        name: Name, limit: Annotated[int, Query(ge=1, le=1000, description="most entries")] = 100
    ) -> Response:
        """Who was champion from when to when, newest first: who or what made it so, why, and on which numbers."""
        return _json(await operations.call(lambda: _PROMOTIONS.dump_json(releases.history(name, limit))))

    @router.get("/models/{name}/evaluation", response_model=Evaluation)
    async def champion_evaluation(name: Name) -> Response:
        """What the evaluation of the champion found, on rows that it was not trained on."""
        return _json(await operations.call(lambda: releases.evaluation(name, None).model_dump_json().encode()))

    @router.get("/models/{name}/versions/{version}/evaluation", response_model=Evaluation)
    async def evaluation(name: Name, version: Number) -> Response:
        """What the evaluation of a version found, on rows that it was not trained on."""
        return _json(await operations.call(lambda: releases.evaluation(name, version).model_dump_json().encode()))


def _add_releases(router: APIRouter, operations: Operations, releases: Releases) -> None:
    @router.post("/models/{name}/promote", response_model=Released, openapi_extra=_body(PromoteBody))
    async def promote(request: Request, name: Name) -> Response:
        """Make a version champion, past the gate. This service answers with it from now on, if it can load it.

        Promoting the champion again changes nothing, so the request may be sent again.
        """
        body = PromoteBody.read(read_json(await request.body()))
        version = number(name, body.version)
        return await released(await operations.call(releases.promote, name, version, _caller(request), body.reason))

    @router.post("/models/{name}/rollback", response_model=Released, openapi_extra=_body(RollbackBody))
    async def rollback(request: Request, name: Name) -> Response:
        """Go back to the champion before this one; twice goes back two. With `to` the request may be sent again."""
        body = RollbackBody.read(read_json(await request.body() or b"{}"))
        to = None if body.to is None else number(name, body.to, "to")
        return await released(await operations.call(releases.rollback, name, to, _caller(request), body.reason))

    async def released(promotion: Promotion) -> Response:
        serving = await operations.take_up(promotion.model, promotion.version)
        return _json(Released(**promotion.model_dump(), serving=serving).model_dump_json().encode())


def _caller(request: Request) -> str:
    return str(request.scope.get("caller", ""))


def _json(body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    """Encoded off the event loop: an evaluation has thousands of numbers."""
    return Response(body, media_type="application/json", headers=dict(headers or {}))


def _body(model: Any) -> dict[str, Any]:
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": model is PromoteBody, "content": content}}
