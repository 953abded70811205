"""Servers under measurement: started, stopped out of turn, weighed, ended with all that they made."""

import http.client
import os
import sys
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from benchmarks.server_process import ServerProcess
from deployments.local.ports import free_ports

SERVER = """
import subprocess, sys, http.server
# As LitServe does: a child that outlives its parent.
child = "import time; held = b'x' * 50_000_000; print(len(held), flush=True); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE).stdout.readline()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def _started(folder: Path, code: str = SERVER) -> ServerProcess:
    (port,) = free_ports("127.0.0.1", 1)
    command = [sys.executable, "-c", code, str(port)]
    return ServerProcess(command, dict(os.environ), folder, folder / "log", port)


def _status(port: int, timeout: float = 10) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)) as connection:
        connection.request("GET", "/")
        return connection.getresponse().status


def test_all_processes_count_and_all_are_ended(tmp_path: Path) -> None:
    """A server is charged for its children, and none of them goes on in the next server's turn."""
    with _started(tmp_path) as server:
        assert server.until(lambda: _status(server.port) == 200) > 0
        children = psutil.Process().children(recursive=True)
        found = server.footprint()
        assert found.processes == 2
        assert found.rss >= found.pss > 50
        assert server.cpu_seconds() > 0
    assert not [child for child in children if child.is_running() and "600" in " ".join(child.cmdline())]


def test_out_of_turn_it_does_nothing(tmp_path: Path) -> None:
    """It answers again when its turn comes."""
    with _started(tmp_path) as server:
        server.until(lambda: _status(server.port) == 200)
        server.pause()
        with pytest.raises(TimeoutError):
            _status(server.port, timeout=0.3)
        server.resume()
        assert _status(server.port) == 200


def test_a_server_that_ends_is_told_with_its_log(tmp_path: Path) -> None:
    """The cause is in the message, and nobody waits for two minutes."""
    with (
        _started(tmp_path, "import sys; sys.exit('no such model')") as server,
        pytest.raises(RuntimeError, match="no such model"),
    ):
        server.until(lambda: _status(server.port) == 200)
