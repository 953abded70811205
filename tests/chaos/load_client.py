"""A program that sends requests at a steady rate over kept connections, and writes down each answer when it is ended.

``python load_client.py '{"address", "rate", "connections", "requests", "into"}'``: each request is text as it goes over
the wire. It is of raw sockets, so that it takes little of a machine that the service has to share with it.
"""

import asyncio
import gc
import json
import re
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvloop

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
RETRY_SECONDS = 0.02
ENDED_SECONDS = 35.0  # a request under way when the program is ended gets as long as the service may take


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._transport: Any = None
        self._seen = b""
        self._answer: asyncio.Future[bytes] | None = None
        self.lost = False
        self.last = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(b"")

    def data_received(self, data: bytes) -> None:
        self._seen += data
        end = self._seen.find(b"\r\n\r\n")
        if end < 0 or self._answer is None or self._answer.done():
            return
        length = _LENGTH.search(self._seen, 0, end)
        if length is not None and len(self._seen) >= end + 4 + int(length[1]):
            self.last = b"\r\nconnection: close" in self._seen[:end].lower()
            self._answer.set_result(self._seen)
            self._seen = b""

    async def ask(self, request: bytes) -> bytes:
        """The whole answer; nothing when the connection ended before it."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def send(plan: dict[str, Any], place: int, ended: asyncio.Event, answers: list[list[Any]]) -> None:
    """The part of one connection. What is late is not left out, and its wait counts: the rate is the callers' own."""
    host, port = plan["address"].split(":")
    requests = [request.encode() for request in plan["requests"]]
    every = plan["connections"] / plan["rate"]
    due = time.time() + every * place / plan["connections"]
    connection: Connection | None = None
    asked = place
    while not ended.is_set():
        if (wait := due - time.time()) > 0:
            await asyncio.sleep(wait)
        try:
            if connection is None or connection.lost or connection.last:
                if connection is not None:
                    connection.close()
                make = asyncio.get_running_loop().create_connection(Connection, host, int(port))
                _, connection = await make
        except OSError:  # nobody listens: nothing was sent
            connection = None
            await asyncio.sleep(RETRY_SECONDS)
            due = max(due, time.time())
            continue
        which, sent = asked % len(requests), time.time()
        answer = await connection.ask(requests[which])
        answers.append([due, sent, time.time(), which, answer.decode("latin-1")])
        asked += 1
        due += every
    if connection is not None:
        connection.close()


async def main(plan: dict[str, Any]) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    answers: list[list[Any]] = []
    tasks = [asyncio.create_task(send(plan, place, ended, answers)) for place in range(plan["connections"])]
    await ended.wait()
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.gather(*tasks), ENDED_SECONDS)
    Path(plan["into"]).write_text("\n".join(map(json.dumps, answers)))


if __name__ == "__main__":
    gc.disable()  # its pauses would count as the service's; what is kept is needed until the end
    uvloop.run(main(json.loads(sys.argv[1])))
