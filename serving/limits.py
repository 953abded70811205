"""Limits on what callers may ask for. All of them belong to the event loop: none takes a lock."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from math import ceil
from time import monotonic
from typing import Any

from starlette.requests import ClientDisconnect

from sluice.request_errors import BodyTooLargeError, OverloadedError, TooManyRequestsError

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
# Callers that are remembered. One that is forgotten gets its burst anew.
CALLERS = 10_000
RETRY_SECONDS = 1
# Of bodies that are read as JSON on the event loop, which has nothing else to do meanwhile: some milliseconds of it.
SMALL_BYTES = 1 << 20


class RateLimiter:
    """A token bucket a caller, as one number each: when its bucket would be full again.

    The generic cell rate algorithm (ITU-T I.371, annex A) in its virtual scheduling form.

    Args:
        rate: requests a second; 0 is no limit.
        burst: requests at once before the rate counts.
    """

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = monotonic) -> None:
        self._rate = rate
        self._interval = 1 / rate if rate else 0.0
        # A little more than burst - 1 intervals: sums of fractions must not refuse the last of a burst.
        self._tolerance = (burst - 0.999) * self._interval
        self._clock = clock
        # Two generations: whoever was not seen during the last `CALLERS` others is forgotten, without a sweep.
        self._young: dict[str, float] = {}
        self._old: dict[str, float] = {}

    def wait(self, caller: str) -> float:
        """Count a request: 0 when it may go on, else the seconds until one may. One that must wait is not counted."""
        if not self._interval:
            return 0.0
        now = self._clock()
        full = self._young.get(caller)
        if full is None:
            full = self._old.get(caller, now)
            if len(self._young) >= CALLERS:
                self._old, self._young = self._young, {}
            # Here too, or one that is refused all the time would be forgotten, and get through.
            self._young[caller] = full
        early = full - now - self._tolerance
        if early > 0.0:
            return early
        self._young[caller] = max(full, now) + self._interval
        return 0.0

    def check(self, caller: str) -> None:
        """
        Raises:
            TooManyRequestsError: the caller must wait.
        """
        if wait := self.wait(caller):
            raise TooManyRequestsError(caller=caller, rate=self._rate, retry_after=ceil(wait))


class ConcurrencyLimit:
    """At most ``limit`` requests under way. One more is refused at once: waiting would only make all of them late."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.under_way = 0

    def acquire(self) -> None:
        """Whoever gets through calls `release` once, whatever happens.

        Raises:
            OverloadedError: as many as are allowed are under way.
        """
        if self.under_way >= self._limit:
            raise OverloadedError(limit=self._limit, retry_after=RETRY_SECONDS)
        self.under_way += 1

    def release(self) -> None:
        self.under_way -= 1


class SlowReaders:
    """Ends answers that nobody reads. One timer looks after all: one for each would cost as much as a small answer."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # In which look's time each began; below 0: it was too slow.
        self._began: dict[asyncio.Task[Any], int] = {}
        self._look, self._looking = 0, False

    async def tell(self, send: Send, messages: Iterable[MutableMapping[str, Any]]) -> None:
        """Send, for at most twice the seconds.

        Raises:
            ClientDisconnect: the client does not read.
        """
        task = asyncio.current_task()
        assert task is not None
        self._began[task] = self._look
        if not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_later(self._seconds, self._end_slow)
        try:
            for message in messages:
                await send(message)
        except asyncio.CancelledError:
            if self._began[task] >= 0:
                raise
            task.uncancel()
            raise ClientDisconnect from None
        finally:
            del self._began[task]

    def _end_slow(self) -> None:
        for task, began in self._began.items():
            if 0 <= began < self._look:
                self._began[task] = -1
                task.cancel()
        self._look += 1
        self._looking = bool(self._began)
        if self._looking:
            asyncio.get_running_loop().call_later(self._seconds, self._end_slow)


async def read_body(receive: Receive, content_length: bytes | None, limit: int) -> bytes:
    """A request's body of at most ``limit`` bytes. One that says it is longer is refused before it is read.

    Raises:
        BodyTooLargeError: it is longer, whatever its Content-Length said.
        ClientDisconnect: the client went away.
    """
    # Not all of the digits: Python refuses to read thousands of them.
    if content_length is not None and content_length.isdigit() and int(content_length[:20]) > limit:
        raise BodyTooLargeError(limit=limit)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise BodyTooLargeError(limit=limit)
        if not message.get("more_body", False):
            return b"".join([*parts, part]) if parts else part
        parts.append(part)
