"""Limits let as much through as they say, and no more."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect

from serving import limits
from serving.limits import ConcurrencyLimit, RateLimiter, read_body
from sluice.request_errors import BodyTooLargeError, OverloadedError, TooManyRequestsError


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self, now: float = 1e6) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@given(
    rate=st.floats(0.01, 1e4),
    burst=st.integers(1, 50),
    start=st.floats(0, 1e7),
    pauses=st.lists(st.floats(0, 5), max_size=100),
)
def test_no_span_of_time_lets_more_through(rate: float, burst: int, start: float, pauses: list[float]) -> None:
    """A full bucket is exactly the burst; afterwards at most the burst and the rate times the seconds."""
    clock = Clock(start)
    limiter = RateLimiter(rate, burst, clock)
    assert [limiter.wait("a") for _ in range(burst)] == [0.0] * burst
    assert 0 < limiter.wait("a") <= 1.001 / rate
    through = burst
    for pause in pauses:
        clock.now += pause
        through += limiter.wait("a") == 0.0
    assert through <= burst + (clock.now - start) * rate * 1.001 + 1


def test_who_waits_as_long_as_told_gets_through() -> None:
    """Not earlier, and being refused costs nothing."""
    clock = Clock()
    limiter = RateLimiter(4, 2, clock)
    assert [limiter.wait("a"), limiter.wait("a")] == [0.0, 0.0]
    wait = limiter.wait("a")
    assert wait == pytest.approx(0.25, rel=0.01)
    for _ in range(10):
        assert limiter.wait("a") == wait
    clock.now += wait * 0.9
    assert limiter.wait("a") > 0
    clock.now += wait * 0.1 + 1e-6
    assert limiter.wait("a") == 0.0


def test_callers_have_a_bucket_each() -> None:
    """One that sends too much does not shut others out."""
    limiter = RateLimiter(1, 1, Clock())
    assert limiter.wait("a") == 0.0
    assert limiter.wait("a") > 0.0
    assert limiter.wait("b") == 0.0


def test_without_a_rate_there_is_no_limit() -> None:
    """Zero is the default, and remembers nobody."""
    limiter = RateLimiter(0, 1)
    assert [limiter.wait("a") for _ in range(1000)] == [0.0] * 1000


def test_the_answer_says_when_to_come_back() -> None:
    """Whole seconds, at least one, as Retry-After wants them."""
    limiter = RateLimiter(0.4, 1, Clock())
    limiter.check("shop")
    with pytest.raises(TooManyRequestsError, match=r"'shop'.*0\.4 requests") as refused:
        limiter.check("shop")
    assert (refused.value.status, refused.value.retry_after) == (429, 3)


def test_callers_without_end_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The busy ones are remembered whoever else comes."""
    monkeypatch.setattr(limits, "CALLERS", 10)
    limiter = RateLimiter(0.001, 1, Clock())
    assert limiter.wait("busy") == 0.0
    for number in range(1000):
        assert limiter.wait(f"caller {number}") == 0.0
        assert limiter.wait("busy") > 0.0
    assert len(limiter._young) + len(limiter._old) <= 20


def test_one_more_than_the_limit_is_refused_until_one_ends() -> None:
    """At once, with the time to come back; a place that was given back is there again."""
    limit = ConcurrencyLimit(2)
    limit.acquire()
    limit.acquire()
    with pytest.raises(OverloadedError, match="2 requests") as refused:
        limit.acquire()
    assert (refused.value.status, refused.value.retry_after) == (503, 1)
    assert limit.under_way == 2
    limit.release()
    limit.acquire()


def body(parts: Iterable[bytes], content_length: bytes | None = None, limit: int = 10) -> bytes:
    """What `read_body` makes of a body that comes in these parts; the client goes away when they are over."""
    chunks = list(parts)
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": part, "more_body": number + 1 < len(chunks)}
        for number, part in enumerate(chunks)
    ]

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    return asyncio.run(read_body(receive, content_length, limit))


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=8))
def test_a_body_is_read_whole_or_refused(parts: list[bytes]) -> None:
    """However it is cut, and whatever its length is said to be: up to the limit, not a byte more."""
    whole = b"".join(parts)
    for said in (None, b"3", str(len(whole)).encode()):
        if len(whole) <= 10:
            assert body(parts, said) == whole
        else:
            with pytest.raises(BodyTooLargeError, match="10 bytes"):
                body(parts, said)


@pytest.mark.parametrize("said", [b"11", b"9" * 5000])
def test_a_body_that_says_it_is_too_long_is_not_read(said: bytes) -> None:
    """Nothing was received yet when it is refused: there is nothing to receive here."""
    with pytest.raises(BodyTooLargeError):
        body([], said)


@pytest.mark.parametrize("said", [b"", b"-1", b"x", b"1e3", "１１".encode()])
def test_a_length_that_is_none_is_not_believed(said: bytes) -> None:
    """The server has its own opinion of such requests; here it is no error."""
    assert body([b"abc"], said) == b"abc"


def test_a_client_that_goes_away_is_told_apart() -> None:
    """Half a body is no body."""
    with pytest.raises(ClientDisconnect):
        body([])
