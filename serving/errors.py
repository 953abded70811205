"""The one place where errors become HTTP: RFC 9457 problem documents."""

import json
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from loguru import logger
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from serving.exchange import Answer
from sluice.errors import SluiceError

MEDIA_TYPE = "application/problem+json"
# nginx's status for a client that went away. Nobody reads it; it keeps such requests out of the
# server's own errors.
CLIENT_CLOSED_REQUEST = 499
RETRY_AFTER_SECONDS = 5
_V2 = re.compile("/v2(/.*)?", re.DOTALL)


def install(app: FastAPI) -> None:
    """Make every error of the application a problem document."""
    app.add_exception_handler(SluiceError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _unexpected)


def problem(
    path: str,
    status: int,
    detail: str,
    *,
    type_: str = "about:blank",
    title: str = "",
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """A problem document. ``errors`` are {field, message}, one for each field that is wrong."""
    body: dict[str, Any] = {
        "type": type_,
        "title": title or _phrase(status),
        "status": status,
        "detail": detail,
        "instance": path,
    }
    if errors:
        body["errors"] = list(errors)
    if _V2.fullmatch(path):
        body["error"] = detail  # where the Open Inference Protocol's clients look for it
    sent = {"content-type": MEDIA_TYPE, **(headers or {})}
    # As ASCII: a client's text may hold lone surrogates, which UTF-8 cannot.
    return Answer(
        status,
        json.dumps(body).encode("ascii"),
        tuple((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in sent.items()),
    )


def known(error: SluiceError, method: str, path: str, route: str) -> Answer:
    """What a client is told of one of our own errors."""
    if error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.bind(route=route).error("{} {}: {}", method, type(error).__name__, error)
    field = error.fields.get("field")
    name = type(error).__name__.removesuffix("Error")
    words = re.findall("[A-Z][a-z]*", name)
    return problem(
        path,
        error.status,
        str(error),
        type_=f"urn:sluice:problem:{'-'.join(words).lower()}",
        title=" ".join(words).capitalize(),
        errors=error.fields.get("problems")
        or ([{"field": field, "message": str(error.fields.get("problem", error))}] if field else ()),
        headers=_headers(error),
    )


def unexpected(path: str) -> Answer:
    """What a client is told of a mistake of ours."""
    detail = "Something went wrong in the service. Its log has the details."
    return problem(path, HTTPStatus.INTERNAL_SERVER_ERROR, detail)


def _headers(error: SluiceError) -> dict[str, str]:
    headers = {}
    if "retry_after" in error.fields:
        headers["Retry-After"] = str(max(1, round(error.fields["retry_after"])))
    elif error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if "challenge" in error.fields:
        headers["WWW-Authenticate"] = error.challenge
    return headers


def response(answer: Answer) -> Response:
    """For the framework's routes."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}
    return Response(answer.body, answer.status, headers)


def _known(request: Request, error: Exception) -> Response:
    assert isinstance(error, SluiceError)
    return response(known(error, request.method, request.url.path, _route(request)))


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [
        {"field": ".".join(str(part) for part in one["loc"][1:]) or "body", "message": one["msg"]}
        for one in error.errors()
    ]
    return response(
        problem(
            request.url.path,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "; ".join(f"{one['field']}: {one['message']}" for one in errors),
            type_="urn:sluice:problem:input-invalid",
            title="Input invalid",
            errors=errors,
        )
    )


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail, path = error.detail, request.url.path
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = f"There is nothing at {path}. GET /docs lists what there is."
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = f"{request.method} is not possible on {path}."
    return response(problem(path, error.status_code, detail, headers=error.headers))


def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)


def _unexpected(request: Request, error: Exception) -> Response:
    # Starlette raises it again after this answer, and the server logs it with its stack.
    return response(unexpected(request.url.path))


def _route(request: Request) -> str:
    return str(getattr(request.scope.get("route"), "path_format", "unmatched"))


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
