"""The health check of containers."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from deployments.probe import answers, main, touched


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response({"/well?a=b": 200, "/moved": 302}.get(self.path, 503))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("path", "well"), [("/well?a=b", True), ("/moved", False), ("/ill", False)])
def test_only_2xx_is_well(address: str, path: str, well: bool) -> None:
    assert answers(address + path) is well
    assert main([address + path]) == (0 if well else 1)


def test_nobody_there_is_not_well() -> None:
    assert not answers("http://127.0.0.1:9/livez")


def test_a_file_that_was_touched_lately_is_well(tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    assert not touched(beat, 60)
    beat.touch()
    assert main([str(beat), "60"]) == 0
    os.utime(beat, (time.time() - 61, time.time() - 61))
    assert main([str(beat), "60"]) == 1


def test_it_is_asked_every_few_seconds_and_so_imports_little() -> None:
    """None of what takes a second to import comes along."""
    code = "import sys, deployments.probe; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"pydantic", "httpx", "prefect", "loguru"} & set(done.stdout.split())
