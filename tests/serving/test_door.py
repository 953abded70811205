"""What every request passes, on whichever route."""

import asyncio
import socket
import time
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from serving.access import Caller
from serving.door import Door, Message, Send
from serving.exchange import Answer, Call
from serving.quick_routes import QuickRoutes
from sluice.settings import LimitSettings
from tests.serving.conftest import Service


@pytest.mark.parametrize("path", ["/invocations?model=numbers", "/models/numbers/predict", "/feedback"])
def test_a_body_that_never_ends_ends(service: Service, path: str) -> None:
    """Whoever sends slowly gets a 504 when the time is over, and keeps no place."""
    with service(limits=LimitSettings(seconds=0.5)) as client:
        address = (client.base_url.host, client.base_url.port or 80)
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{{".encode())
            started = time.monotonic()
            answer = connection.recv(4096)
        assert answer.startswith(b"HTTP/1.1 504"), answer
        assert time.monotonic() - started < 9


def test_a_client_that_does_not_read_keeps_no_place() -> None:
    """Its answer is given up when the time is over; a task that somebody else ends is not taken for that."""
    table = QuickRoutes()
    table.add("GET", "/quick", quick)
    access: Any = SimpleNamespace(let_in=lambda *_: Caller("shop", frozenset()))
    door = Door(nothing, table, access, LimitSettings(seconds=0.1, concurrency=1))

    async def ask(send: Send) -> None:
        scope = {"type": "http", "method": "GET", "path": "/quick", "raw_path": b"/quick", "headers": []}
        await door({**scope, "query_string": b""}, nobody_sends, send)

    async def one_after_the_other() -> list[int]:
        statuses = []

        async def note(message: Message) -> None:
            statuses.append(message.get("status", 0))

        silent = asyncio.create_task(ask(never))
        await asyncio.sleep(0.01)
        await ask(note)
        await silent
        await ask(note)
        ended = asyncio.create_task(ask(never))
        await asyncio.sleep(0.01)
        ended.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ended
        return [status for status in statuses if status]

    assert asyncio.run(asyncio.wait_for(one_after_the_other(), 5)) == [503, 200]


async def quick(call: Call) -> Answer:
    return Answer(200, b"{}")


async def nothing(scope: Any, receive: Any, send: Any) -> None: ...


async def nobody_sends() -> Message:
    return {"type": "http.request", "body": b""}


async def never(message: Message) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("path", ["/invocations?model=numbers", "/feedback"])
def test_a_body_that_is_too_large_is_a_413(service: Service, path: str) -> None:
    """Whether it says so before or not."""
    with service(limits=LimitSettings(body_bytes=1000)) as client:
        assert client.post(path, content=b"x" * 1001).status_code == 413
        assert client.post(path, content=(b"x" * 100 for _ in range(20))).status_code == 413


@pytest.mark.parametrize("path", ["/recommendations?model=movies", "/feedback", "/runs"])
def test_a_body_without_rows_is_a_small_one(service: Service, path: str) -> None:
    """It is read on the event loop, and no request needs more; rows may be many."""
    large = b"[" + b"0," * (1 << 19) + b"0]"
    with service() as client:
        assert client.post(path, content=large).status_code == 413
        assert client.post("/models/numbers/predict", content=large).status_code == 422


def test_a_line_of_a_stream_is_a_small_one(service: Service) -> None:
    """It is a row; what comes before it is answered."""
    good = b'{"x": 1.0, "label": "a"}'
    with service() as client:
        content = good + b"\n" + b"[" + b"0," * (1 << 19)
        answer = client.post("/models/numbers/stream", content=content)
    first, last = answer.text.splitlines()
    assert "prediction" in first
    assert orjson.loads(last)["error"]["status"] == 413


def test_a_compressed_body_is_a_415(service: Service) -> None:
    """It is not read as something else."""
    with service() as client:
        answer = client.post("/invocations?model=numbers", content=b"\x1f\x8b", headers={"content-encoding": "gzip"})
        assert answer.status_code == 415
        assert answer.headers["content-type"] == "application/problem+json"


def test_pages_come_with_their_own_scripts_and_security_headers(service: Service) -> None:
    """No CDN; nothing may frame them or guess at their type."""
    with service() as client:
        page = client.get("/docs")
        assert page.headers["x-frame-options"] == "DENY"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert "//cdn." not in page.text
        for asset in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"):
            assert f"/docs/static/{asset}" in page.text
            assert client.get(f"/docs/static/{asset}").status_code == 200
