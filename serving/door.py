"""What every request passes: who asks, how much it may ask, and the quick routes. Plain ASGI, around FastAPI."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from loguru import logger
from starlette.requests import ClientDisconnect

from serving import errors
from serving.access import Access, Caller
from serving.console.policy import CONSOLE_HEADERS, is_console, to_sign_in
from serving.exchange import Answer, Call
from serving.limits import SMALL_BYTES, ConcurrencyLimit, RateLimiter, SlowReaders, read_body
from serving.metrics import ServingMetrics
from serving.quick_routes import Found, QuickRoutes
from serving.scopes import STREAMS, UNLIMITED
from sluice.errors import MediaTypeUnsupportedError, ModelLoadFailedError, ModelLoadingError, SluiceError
from sluice.request_errors import BodyTooLargeError, DeadlineExceededError
from sluice.settings import LimitSettings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_LENGTH, _ENCODING = b"content-length", b"content-encoding"
# Nothing that we answer with is to be taken for a page, framed by one, or guessed at; /docs needs its own scripts.
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (
        b"content-security-policy",
        b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        b"img-src 'self' data:; frame-ancestors 'none'",
    ),
)


class Door:
    """Wrap it around the application, inside the metrics."""

    def __init__(
        self,
        app: App,
        routes: QuickRoutes,
        access: Access,
        limits: LimitSettings,
        metrics: ServingMetrics | None = None,
    ) -> None:
        self._metrics = metrics
        self._app, self._routes, self._access = app, routes, access
        self._rate = RateLimiter(limits.rate, limits.burst)
        self._readers = SlowReaders(limits.seconds)
        self._under_way = ConcurrencyLimit(limits.concurrency)
        self._body_bytes, self._seconds = limits.body_bytes, limits.seconds
        self._small_bytes = min(limits.body_bytes, SMALL_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        found = self._routes.find(method, path, scope["raw_path"])
        route = found.route.path_format if found else "unmatched"
        limited = path not in UNLIMITED
        try:
            if found is not None:
                scope["route"] = found.route
                caller = self._access.let_in("predict", scope["headers"], method)
            else:
                caller = self._access.admit(method, path, scope["headers"])
            if limited:
                self._rate.check(caller.name)
                self._under_way.acquire()
        except SluiceError as error:
            answer = to_sign_in(error, scope) or errors.known(error, method, path, route)
            for message in _messages(answer):
                await send(message)
            return
        try:
            if found is not None:
                answer = await self._answer(found, scope, caller, receive)
                try:
                    await self._readers.tell(send, _messages(answer))
                except ClientDisconnect:
                    scope["gone"] = True
            else:
                scope["caller"], scope["scopes"] = caller.name, caller.scopes
                await self._app(scope, self._bounded(receive, scope), self._secured(send, scope))
        except Exception:
            if not scope.get("gone"):  # else it is the framework's trouble with half an answer
                raise
        finally:
            if limited:
                self._under_way.release()

    async def _answer(self, found: Found, scope: Scope, caller: Caller, receive: Receive) -> Answer:
        path, route = scope["path"], found.route.path_format
        headers = dict(scope["headers"])
        call: Call | None = None
        try:
            if (encoding := headers.get(_ENCODING, b"identity")) != b"identity":
                raise MediaTypeUnsupportedError(media_type=encoding.decode("latin-1"), supported="a body as it is")
            async with asyncio.timeout(self._seconds):  # whoever sends slowly must not keep a place for ever
                most = self._small_bytes if found.route.small else self._body_bytes
                body = await read_body(receive, headers.get(_LENGTH), most)
            call = Call(path, scope["query_string"], headers, body, caller.name, route, scope.get("trace_id", ""))
            answer = await found.answer(call)
        except SluiceError as error:
            if self._metrics is not None and isinstance(error, ModelLoadFailedError | ModelLoadingError):
                self._metrics.unanswered(error.fields["name"], error.status)
            answer = errors.known(error, scope["method"], path, route)
        except TimeoutError:
            answer = errors.known(DeadlineExceededError(seconds=self._seconds), scope["method"], path, route)
        except ClientDisconnect:
            answer = Answer(errors.CLIENT_CLOSED_REQUEST, b"", ())
        except Exception:
            logger.bind(route=route).exception("{} {} failed.", scope["method"], path)
            answer = errors.unexpected(path)
        if self._metrics is not None and call is not None and call.served is not None:
            self._metrics.answered(call.served, answer.status)
        return answer

    def _bounded(self, receive: Receive, scope: Scope) -> Receive:
        """For the framework's routes, which take no rows: a small bound, raised where they read the body."""
        stream = STREAMS.fullmatch(scope["path"]) is not None  # of any size: its lines are bounded
        seen, whole = 0, False

        async def bounded() -> Message:
            nonlocal seen, whole
            if whole:  # what comes now is that the client went away, whenever that is
                return await receive()
            try:
                async with asyncio.timeout(self._seconds):
                    message = await receive()
            except TimeoutError:
                raise DeadlineExceededError(seconds=self._seconds) from None
            whole = not message.get("more_body", False)
            seen += len(message.get("body", b""))
            if seen > self._small_bytes and not stream:
                raise BodyTooLargeError(limit=self._small_bytes)
            return message

        return bounded

    def _secured(self, send: Send, scope: Scope) -> Send:
        """Whatever the framework answers, with the headers that keep browsers from misusing it."""
        headers = CONSOLE_HEADERS if is_console(scope["path"]) else SECURITY_HEADERS

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *headers]
            try:
                async with asyncio.timeout(self._seconds):
                    await send(message)
            except TimeoutError:
                scope["gone"] = True  # it asked, and does not read
                raise ClientDisconnect from None

        return secured


def _messages(answer: Answer) -> tuple[Message, Message]:
    length = (_LENGTH, str(len(answer.body)).encode())
    return (
        {"type": "http.response.start", "status": answer.status, "headers": [*answer.headers, length]},
        {"type": "http.response.body", "body": answer.body},
    )
