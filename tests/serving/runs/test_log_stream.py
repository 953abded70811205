"""A run's log as server-sent events, over looks that a test gives."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from serving.runs import log_stream
from serving.runs.log_stream import LogStream, Streams
from sluice.errors import RunNotFoundError, ServiceUnavailableError, SluiceError
from sluice.request_errors import StreamsTakenError
from sluice.run_follower import Look
from sluice.run_logs import LogLine
from sluice.run_summary import RunSummary
from tests.serving.conftest import serve
from tests.serving.fakes import eventually

NOW = datetime(2026, 11, 21, 5, 0, tzinfo=UTC)
QUIET = Look(None, [], [], over=False, behind=False)
OVER = QUIET._replace(over=True)
SILENT = ServiceUnavailableError(service="Prefect", address="http://prefect", hint="Start it.")


def run(id: str, state: str) -> RunSummary:
    return RunSummary(id=id, name=id, flow="pipeline", state=state, created=NOW, due=NOW)


def line(message: str) -> LogLine:
    return LogLine(id="1", at=NOW, level="INFO", message=message, logger="prefect", run="r", task=None)


def looks(*given: Look | SluiceError) -> Callable[[], Awaitable[Look]]:
    """Gives one after the other."""
    left = iter(given)

    async def look() -> Look:
        found = next(left)
        if isinstance(found, SluiceError):
            raise found
        return found

    return look


def told(look: Callable[[], Awaitable[Look]], streams: Streams | None = None) -> list[bytes]:
    async def collect() -> list[bytes]:
        return [event async for event in LogStream(streams or Streams(1), look).events()]

    return asyncio.run(asyncio.wait_for(collect(), 10))


def parsed(events: Iterable[bytes]) -> list[tuple[str, Any]]:
    found = []
    for event in events:
        assert event.endswith(b"\n\n")
        fields = dict(part.split(": ", 1) for part in event.decode().strip().split("\n") if not part.startswith(":"))
        found.append((fields.get("event", ""), json.loads(fields.get("data", "null"))))
    return found


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_stream, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(log_stream, "SECONDS_A_STREAM", 0.0)


def test_lines_states_and_the_end_are_events() -> None:
    """A line break in a message breaks no event."""
    first = Look(run("r", "Running"), [run("s", "Pending")], [line("a\nb")], over=False, behind=False)
    last = Look(run("r", "Completed"), [], [line("c")], over=True, behind=False)
    events = parsed(told(looks(first, QUIET, last)))
    assert [(name, data.get("state") or data.get("message")) for name, data in events] == [
        ("state", "Running"), ("stage", "Pending"), ("line", "a\nb"),
        ("state", "Completed"), ("line", "c"), ("end", None),
    ]  # fmt: skip


def test_a_quiet_run_is_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies end what says nothing for long; also while Prefect takes its time."""
    monkeypatch.setattr(log_stream, "HEARTBEAT_SECONDS", 0.05)

    async def slow() -> Look:
        await asyncio.sleep(0.3)
        return OVER

    events = told(slow)
    assert events[:-1] == [b":\n\n"] * (len(events) - 1)
    assert 3 <= len(events) <= 7


def test_an_outage_is_told_once_and_waited_out() -> None:
    """Prefect's server is started again by the stack; who follows a log goes on then."""
    events = parsed(told(looks(QUIET, SILENT, SILENT, QUIET, SILENT, OVER)))
    assert [name for name, _ in events] == ["problem", "problem", "end"]
    assert events[0][1]["status"] == 503


def test_a_long_outage_ends_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not tried for ever."""
    monkeypatch.setattr(log_stream, "SILENCE_SECONDS", 0.0)
    assert [name for name, _ in parsed(told(looks(*[SILENT] * 9)))] == ["problem"]


def test_a_run_that_is_deleted_ends_the_stream() -> None:
    """There is nothing to follow any more."""
    (event,) = parsed(told(looks(RunNotFoundError(run="r"))))
    assert (event[0], event[1]["status"]) == ("problem", 404)


def test_no_more_streams_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused while it can still be an HTTP status; a stream that was left makes room."""

    async def look() -> Look:
        return QUIET

    async def crowd() -> None:
        streams = Streams(2)
        following = [asyncio.create_task(drain(LogStream(streams, look))) for _ in range(2)]
        await asyncio.sleep(0.05)
        with pytest.raises(StreamsTakenError) as refused:
            LogStream(streams, look)
        assert refused.value.status == 503
        following[0].cancel()
        await asyncio.wait(following[:1])
        LogStream(streams, look)
        following[1].cancel()
        await asyncio.wait(following)

    asyncio.run(asyncio.wait_for(crowd(), 10))


def test_streams_end_when_the_process_is_to_end() -> None:
    """Without an end event: a browser comes again, to the process that is there then."""

    async def leave() -> list[bytes]:
        streams = Streams(1)
        asyncio.get_running_loop().call_later(0.05, streams.leave)
        return [event async for event in LogStream(streams, looks(*[QUIET] * 1000)).events()]

    assert asyncio.run(asyncio.wait_for(leave(), 10)) == []


def test_many_streams_ask_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect's server has other work."""
    monkeypatch.setattr(log_stream, "POLL_SECONDS", 1.0)
    monkeypatch.setattr(log_stream, "SECONDS_A_STREAM", 0.25)
    streams = Streams(16)
    assert streams.seconds == 1.0
    with streams.taken(), streams.taken(), streams.taken(), streams.taken(), streams.taken(), streams.taken():
        assert streams.seconds == 1.5


async def drain(stream: LogStream) -> None:
    async for _ in stream.events():
        pass


def test_a_client_that_goes_makes_room() -> None:
    """On a real server: nobody has to say that they have gone."""
    streams = Streams(1)

    async def look() -> Look:
        return QUIET._replace(run=run("r", "Running"))

    async def follow(request: Request) -> Response:
        try:
            return StreamingResponse(LogStream(streams, look).events())
        except StreamsTakenError as error:
            return Response(status_code=error.status)

    app: Any = Starlette(routes=[Route("/", follow)])
    with serve(app) as address, httpx.Client(base_url=address, trust_env=False) as client:
        with client.stream("GET", "/") as answer:
            lines = answer.iter_lines()  # which closes the answer when nobody holds it
            assert next(lines) == "event: state"
            assert client.get("/").status_code == 503

        def again() -> bool:
            with client.stream("GET", "/") as answer:
                return answer.status_code == 200

        eventually(again)
