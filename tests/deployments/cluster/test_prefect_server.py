"""Prefect's server in a cluster waits for its database: for one that starts, and not for one that refuses."""

import asyncio
import socket
from asyncio import StreamReader, StreamWriter

from deployments.cluster.prefect_server import answers

# An error of PostgreSQL's protocol, https://www.postgresql.org/docs/current/protocol-error-fields.html
REFUSED = {"57P03": "the database system is starting up", "28P01": "password authentication failed"}


class Database:
    """The beginning of PostgreSQL's protocol, and no more: it refuses with a code.

    There is no PostgreSQL where these tests run; on a cluster tests/cluster has a real one.
    """

    def __init__(self, *codes: str) -> None:
        self.codes = list(codes)
        self.asked = 0

    async def __call__(self, reader: StreamReader, writer: StreamWriter) -> None:
        if await reader.readexactly(8) == b"\x00\x00\x00\x08\x04\xd2\x16\x2f":  # whether it speaks TLS
            writer.write(b"N")
            await reader.read(1024)
        code = self.codes[min(self.asked, len(self.codes) - 1)]
        self.asked += 1
        fields = b"SFATAL\0VFATAL\0C" + code.encode() + b"\0M" + REFUSED[code].encode() + b"\0\0"
        writer.write(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)
        await writer.drain()
        writer.close()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def address(port: int) -> str:
    return f"postgresql+asyncpg://prefect:secret@127.0.0.1:{port}/prefect"


async def asked(database: Database, wait_seconds: float) -> bool:
    server = await asyncio.start_server(database, "127.0.0.1", 0)
    async with server:
        return await answers(address(server.sockets[0].getsockname()[1]), wait_seconds)


def test_one_that_starts_is_waited_for() -> None:
    """The server, not we, then tells of the password."""
    database = Database("57P03", "57P03", "28P01")
    assert asyncio.run(asked(database, 30))
    assert database.asked == 3


def test_one_that_never_comes_is_given_up() -> None:
    assert not asyncio.run(answers(address(free_port()), 0.1))


def test_one_that_comes_late_is_found() -> None:
    port = free_port()

    async def late() -> bool:
        waiting = asyncio.create_task(answers(address(port), 30))
        await asyncio.sleep(1.5)
        async with await asyncio.start_server(Database("28P01"), "127.0.0.1", port):
            return await waiting

    assert asyncio.run(late())
