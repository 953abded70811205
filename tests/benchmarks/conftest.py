"""A small server on this machine whose answers a test decides."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

Answer = Callable[[int], bytes]
Listen = Callable[[Answer], int]


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Starts a server that gives ``answer(number of the request)``, one request at a time, or hangs up if it is
    empty; gives its port."""
    servers: list[socket.socket] = []

    def started(answer: Answer) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)
        one_at_a_time, asked = threading.Lock(), iter(range(1_000_000))

        def talk(connection: socket.socket) -> None:
            with connection, suppress(ConnectionError):  # whoever asks may leave before the answer
                while connection.recv(65536):
                    with one_at_a_time:
                        said = answer(next(asked))
                    if not said:
                        return
                    connection.sendall(said)

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return  # closed: the test is over
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return int(server.getsockname()[1])

    yield started
    for server in servers:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
