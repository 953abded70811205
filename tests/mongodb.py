"""A MongoDB wire server for the session: the given one, or SecantusDB in a process and a folder of its own."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

GIVEN = os.environ.get("SLUICE_TEST_MONGODB_URI", "")
_START_SECONDS = 30
_LISTENING = re.compile(r"listening on (127\.0\.0\.1:\d+)")


@contextmanager
def wire_server(folder: Path) -> Iterator[str]:
    """Its URI."""
    if GIVEN:
        yield GIVEN
        return
    with secantusdb(folder) as server:
        yield f"mongodb://{server.address}/"


class SecantusDB(NamedTuple):
    """A server's host and port, and its process."""

    address: str
    pid: int


@contextmanager
def secantusdb(folder: Path, port: int = 0) -> Iterator[SecantusDB]:
    """With its data in the folder, on this port or a free one."""
    program = Path(sys.executable).parent / "secantusd-py"
    assert program.exists(), f"{program} is missing: 'make install' sets it up"
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [
                str(program),
                "--standalone",
                "--port",
                str(port),
                "--cache-size",
                "256M",
                "--storage-path",
                str(folder / "data"),
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield SecantusDB(_address(server, folder / "log"), server.pid)
    finally:
        server.kill()  # nobody reads its data again, and it may be paused
        server.wait(10)


def _address(server: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        if found := _LISTENING.search(log.read_text()):
            return found[1]
        time.sleep(0.05)
    raise AssertionError(f"the MongoDB wire server did not start:\n{log.read_text()}")
