"""A run's log as server-sent events, while it runs: https://html.spec.whatwg.org/multipage/server-sent-events.html"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from pydantic import BaseModel

from serving import errors
from sluice.errors import ServiceUnavailableError, SluiceError
from sluice.paging import Cursor
from sluice.request_errors import StreamsTakenError
from sluice.run_follower import Look

POLL_SECONDS = 1.0
# Prefect's server has other work: the more logs are followed, the longer each waits between two looks.
SECONDS_A_STREAM = 0.25
HEARTBEAT_SECONDS = 10.0
# A server that died is started again by the stack, and takes this long on a busy machine.
SILENCE_SECONDS = 90.0
RETRY_SECONDS = 5
# The id of the last event. A browser that comes again with it is told that there is no more.
ENDED = "end"
_HEARTBEAT = b":\n\n"


class Streams:
    """How many logs are followed now, by one process. It belongs to the event loop."""

    def __init__(self, limit: int) -> None:
        self._limit, self._open = limit, 0
        self._leaving = asyncio.Event()
        # Looks of all streams together: the other routes need threads too.
        self.looks = asyncio.Semaphore(2)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """
        Raises:
            StreamsTakenError: as many are followed as may be.
        """
        self.check()
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    def check(self) -> None:
        """Whether one more may be followed, as `taken`."""
        if self._open >= self._limit:
            raise StreamsTakenError(limit=self._limit, retry_after=RETRY_SECONDS)

    @property
    def seconds(self) -> float:
        """Between two looks."""
        return max(POLL_SECONDS, SECONDS_A_STREAM * self._open)

    @property
    def leaving(self) -> bool:
        return self._leaving.is_set()

    def leave(self) -> None:
        """The process is to end: nobody follows any longer. Browsers come again by themselves, to another one."""
        self._leaving.set()

    async def pause(self) -> None:
        """Until the next look, or until the process is to end."""
        try:
            await asyncio.wait_for(self._leaving.wait(), self.seconds)
        except TimeoutError:
            return


class LogStream:
    """``look`` takes as long as it takes: what a look has told no other one tells again, so each is waited for.

    ``event: line`` (a log line), ``state`` and ``stage`` (a run, or one that it started, has changed), ``end``.

    ``problem`` says as a problem document that Prefect does not answer; the stream goes on when it does again.
    """

    def __init__(self, streams: Streams, look: Callable[[], Awaitable[Look]]) -> None:
        self._streams, self._look = streams, look
        streams.check()  # while a refusal can still be an HTTP status

    async def events(self) -> AsyncIterator[bytes]:
        """Until the run is over and its last line is out, or the process is to end; a comment when nothing happens."""
        said = monotonic()
        with self._streams.taken():
            async for event in self._told():
                if event or monotonic() - said >= HEARTBEAT_SECONDS:
                    said = monotonic()
                    yield event or _HEARTBEAT

    async def _told(self) -> AsyncIterator[bytes]:
        """The events, and nothing at least once a second while there are none."""
        silent_since: float | None = None
        while not self._streams.leaving:
            looking = asyncio.ensure_future(self._one_look())
            try:
                while not (await asyncio.wait({looking}, timeout=POLL_SECONDS))[0]:
                    yield b""
                look = looking.result()
            except ServiceUnavailableError as error:
                if silent_since is None:
                    silent_since = monotonic()
                    yield _problem(error)
                if monotonic() - silent_since > SILENCE_SECONDS:
                    return
                await self._streams.pause()
                continue
            except SluiceError as error:  # somebody deleted the run
                yield _problem(error)
                return
            finally:
                looking.cancel()
            silent_since = None
            for event in _events(look):
                yield event
            if look.over:
                return
            if not look.behind:
                await self._streams.pause()
                yield b""

    async def _one_look(self) -> Look:
        async with self._streams.looks:
            return await self._look()


def _events(look: Look) -> Iterator[bytes]:
    if look.run is not None:
        yield _event("state", look.run)
    for stage in look.stages:
        yield _event("stage", stage)
    for line in look.lines:
        yield _event("line", line, id=str(Cursor(line.position)))
    if look.over:
        yield f"event: end\nid: {ENDED}\ndata: {{}}\n\n".encode()


def _event(name: str, content: BaseModel, id: str = "") -> bytes:
    head = f"event: {name}\n" + (f"id: {id}\n" if id else "")
    return head.encode() + b"data: " + content.model_dump_json().encode() + b"\n\n"


def _problem(error: SluiceError) -> bytes:
    return b"event: problem\ndata: " + errors.known(error, "GET", "", "/runs/{id}/logs").body + b"\n\n"
