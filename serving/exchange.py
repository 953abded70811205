"""A request and its answer, without the web framework: what the quick routes take and give."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl

import orjson
from pydantic import BaseModel, ValidationError

from sluice.errors import InputInvalidError

if TYPE_CHECKING:
    from serving.served import ServedModel

M = TypeVar("M", bound=BaseModel)
JSON = b"application/json"
MOST_PROBLEMS = 20
_CONTENT_TYPE = b"content-type"


class Answer(NamedTuple):
    """``headers`` as ASGI has them, without the length."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ((_CONTENT_TYPE, JSON),)


class Call:
    """One request, its body read.

    Attributes:
        path: decoded, as ASGI gives it.
        headers: by their name in lower case; of several with one name the last.
        caller: who asks, for the prediction log.
        served: the version that answers, once it is found.
        trace_id: of the trace that the request is part of; empty where it is of none.
    """

    __slots__ = ("body", "caller", "headers", "path", "query", "route", "served", "trace_id")

    def __init__(
        self,
        path: str,
        query: bytes,
        headers: Mapping[bytes, bytes],
        body: bytes,
        caller: str = "",
        route: str = "",
        trace_id: str = "",
    ) -> None:
        self.path, self.query, self.headers, self.body = path, query, headers, body
        self.caller, self.route, self.trace_id = caller, route, trace_id
        self.served: ServedModel | None = None

    @property
    def params(self) -> dict[str, str]:
        """The query's parameters; of several with one name the last."""
        if not self.query:
            return {}
        text = self.query.decode("latin-1")
        if "%" in text or "+" in text:
            return dict(parse_qsl(text, keep_blank_values=True))
        return dict(part.partition("=")[::2] for part in text.split("&"))

    def header(self, name: bytes) -> str:
        return self.headers.get(name, b"").decode("latin-1")


Endpoint = Callable[[Call], Awaitable[Answer]]


def encoded(value: Any, status: int = 200, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Answer:
    """A JSON answer."""
    return Answer(status, orjson.dumps(value), ((_CONTENT_TYPE, JSON), *headers))


def read_json(body: bytes) -> Any:
    """Any JSON.

    Raises:
        InputInvalidError: it is none.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InputInvalidError(field="body", problem=f"is not JSON: {error}") from None


def read_as(model: type[M], content: Any, depth: int | None = None) -> M:
    """JSON that a client sent, as a model of it.

    Args:
        depth: how far down fields are named; where one may be of several types, each stands behind it.

    Raises:
        InputInvalidError: naming each field that is wrong.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = [
            {
                "field": ".".join(str(part) for part in one["loc"][:depth]) or "body",
                "message": one["msg"].removeprefix("Value error, "),
            }
            for one in error.errors(include_url=False, include_input=False, include_context=False)[:MOST_PROBLEMS]
        ]
        first = problems[0]
        raise InputInvalidError(field=first["field"], problem=first["message"], problems=problems) from None
