"""Bytes that are nearly HTTP."""

from hypothesis import strategies as st

from tests.serving.fuzzing.requests import requests

_PIECES = (
    b"GET / HTTP/1.1\r\n",
    b"POST /invocations HTTP/1.1\r\n",
    b"GET /livez HTTP/1.0\r\n",
    b"GET /livez\r\n",
    b"HEAD * HTTP/1.1\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"CONNECT 127.0.0.1:1 HTTP/1.1\r\n",
    b"GET http://127.0.0.1/livez HTTP/1.1\r\n",
    b"host: 127.0.0.1\r\n",
    b"content-length: 5\r\n",
    b"content-length: 3\r\n",
    b"content-length: -1\r\n",
    b"content-length: 99999999999999999999999\r\n",
    b"transfer-encoding: chunked\r\n",
    b"transfer-encoding: gzip, chunked\r\n",
    b"connection: upgrade\r\nupgrade: websocket\r\n",
    b"connection: upgrade\r\nupgrade: h2c\r\n",
    b"expect: 100-continue\r\n",
    b"content-type: application/json\r\n",
    b" folded\r\n",
    b"x: " + b"y" * 70_000 + b"\r\n",
    b"\r\n",
    b"5\r\nhello\r\n",
    b"ffffffffffffffff\r\n",
    b"-5\r\n",
    b"0\r\n\r\n",
    b'{"inputs": [[1]]}',
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"\n",
    b"\0",
)


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    """A request that is right, but for some bytes."""
    raw = bytearray(draw(requests()).raw)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(raw)))
        kind = draw(st.sampled_from(["put", "cut", "end"]))
        if kind == "put":
            raw[place:place] = draw(st.binary(min_size=1, max_size=4))
        elif kind == "cut":
            del raw[place : place + draw(st.integers(1, 9))]
        else:
            del raw[max(1, place) :]
    return bytes(raw) or b"\0"


broken_http = st.one_of(
    st.binary(min_size=1, max_size=200),
    st.lists(st.sampled_from(_PIECES), min_size=1, max_size=7).map(b"".join),
    _damaged(),
)
