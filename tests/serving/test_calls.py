"""Calls to other services from the event loop, within a deadline."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest

from serving.operations import THREADS, Operations
from serving.runs.handlers import RunHandlers
from serving.runs.log_stream import Streams
from sluice.request_errors import DeadlineExceededError
from sluice.settings import LimitSettings, ServingSettings, Settings
from tests.fakes.prefect import FakePrefect, id_of

SECONDS = 0.2


@pytest.fixture
def operations(tmp_path: Path) -> Iterator[Operations]:
    limits = LimitSettings(seconds=SECONDS)
    settings = Settings(home=tmp_path, serving=ServingSettings(limits=limits))
    nothing: Any = None
    operations = Operations(settings, nothing, lambda: nothing)
    yield operations
    operations.close()


def test_what_nobody_waits_for_any_more_is_never_begun(operations: Operations) -> None:
    """Else the work that piles up while something hangs would all be done when it answers again."""
    answers, begun = Event(), []

    def hang() -> None:
        answers.wait()

    async def ask() -> None:
        calls = [operations.call(hang) for _ in range(THREADS)]
        late = [operations.call(begun.append, number) for number in range(20)]
        outcomes = await asyncio.gather(*calls, *late, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {DeadlineExceededError}
        answers.set()
        await operations.call(time.sleep, 0.01)

    asyncio.run(ask())
    assert begun == []


class Slow(FakePrefect):
    """Takes longer for lines than a request may take."""

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if "logs" in request.url.path:
            time.sleep(2 * SECONDS)
        return super()._answer(request)


def test_a_look_beyond_the_deadline_loses_no_line(operations: Operations) -> None:
    """What it has read no other look reads again."""
    prefect = Slow()
    prefect.run(1, end_time="2026-11-21T06:00:00+00:00")
    for number in range(3):
        prefect.log(number, number)
    operations.prefect = prefect.client()
    handlers = RunHandlers(operations, Streams(1))

    async def follow() -> list[str]:
        stream = await handlers.follow(id_of(1), "", "")
        return [event.decode().partition("\n")[0] async for event in stream.events()]

    told = asyncio.run(asyncio.wait_for(follow(), 20))
    assert told == ["event: state", "event: line", "event: line", "event: line", "event: end"]
