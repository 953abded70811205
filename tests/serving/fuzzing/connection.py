"""HTTP from bytes: a client that sends whatever it is given, and says when an answer does not come."""

import select
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from typing import NamedTuple

# A request that has no answer after so many seconds hangs.
LONGEST_SECONDS = 10.0
# The server hangs up on who is silent for five; a busy machine can keep a test from asking for as long.
IDLE_SECONDS = 2.0
# What is incomplete gets no answer; after so long its end is sent.
PAUSE_SECONDS = 0.03


class Request(NamedTuple):
    """``target`` is the path and the query as they are on the wire."""

    method: str
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""

    @property
    def raw(self) -> bytes:
        lines = [b"%b %b HTTP/1.1" % (self.method.encode(), self.target), b"host: 127.0.0.1"]
        lines += [b"%b: %b" % header for header in self.headers]
        return b"\r\n".join([*lines, b"content-length: %d" % len(self.body), b"", b""]) + self.body


class Answer(NamedTuple):
    """Names of ``headers`` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """One connection, opened again when the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None
        self._asked = 0.0

    def ask(self, request: Request) -> Answer:
        """
        Raises:
            TimeoutError: no answer in time.
            HTTPException, OSError: what came is no answer.
        """
        if time.monotonic() - self._asked > IDLE_SECONDS:
            self.close()
        if self._socket is None:
            self._socket = self._opened()
        self._asked = time.monotonic()
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # an answer may come before all is sent
                self._socket.sendall(request.raw)
            answer, closes = _read(self._socket, request.method)
        except (HTTPException, OSError):
            self.close()
            raise
        if closes:
            self.close()
        return answer

    def shout(self, raw: bytes) -> Answer | None:
        """Send bytes that need not be HTTP, and no more after them. None where the server only hangs up."""
        with self._opened() as connected:
            with suppress(OSError):
                connected.sendall(raw)
                select.select([connected], [], [], PAUSE_SECONDS)
                connected.shutdown(socket.SHUT_WR)  # it may wait for more, also when it has begun to answer
            try:
                answer, _ = _read(connected, "GET")
                while connected.recv(65536):  # further answers, until it hangs up
                    pass
            except (HTTPException, ConnectionError):
                return None
        return answer

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _opened(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), LONGEST_SECONDS)


def _read(connected: socket.socket, method: str) -> tuple[Answer, bool]:
    response = HTTPResponse(connected, method=method)
    try:
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read()), response.will_close
    finally:
        response.close()
