"""The service as it runs in production, a process of its own, and what it takes of the machine."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

from deployments.local.ports import free_ports
from tests.conftest import CHECKOUT, clean_environment
from tests.serving.fakes import eventually
from tests.serving.fuzzing.connection import Connection, Request
from tests.serving.fuzzing.models import NAMES


class Taken(NamedTuple):
    """Bytes of memory, threads, and open files with connections."""

    memory: int
    threads: int
    files: int


class Running:
    """A service that is up."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
        self.port, self._log = port, log
        self._process, self._told = process, psutil.Process(process.pid)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ready(self) -> bool:
        assert self._process.poll() is None, self.log
        connection = Connection(self.port)
        try:
            return connection.ask(Request("GET", b"/readyz")).status == 200
        except OSError:
            return False
        finally:
            connection.close()

    @property
    def log(self) -> str:
        return self._log.read_text()

    def taken(self) -> Taken:
        return Taken(self._told.memory_info().rss, self._told.num_threads(), self._told.num_fds())


@contextmanager
def running(models: Path, home: Path) -> Iterator[Running]:
    """The service over the models in a folder, until it is left."""
    (port,) = free_ports("127.0.0.1", 1)
    loaded = ",".join(f'"{name}"' for name in NAMES)
    env = {**clean_environment(home), "SLUICE_SERVING__PORT": str(port), "SLUICE_SERVING__MODELS": f"[{loaded}]"}
    env["PYTHONPATH"] = os.pathsep.join((str(CHECKOUT), env["PYTHONPATH"]))
    log = home.with_suffix(".log")
    command = [sys.executable, "-m", "tests.serving.fuzzing.service", str(models)]
    with log.open("w") as told:
        process = subprocess.Popen(command, cwd=CHECKOUT, env=env, stdout=told, stderr=told)
    service = Running(process, port, log)
    try:
        eventually(lambda: service.ready, seconds=90)
        yield service
    finally:
        process.terminate()
        try:
            process.wait(30)
        finally:
            process.kill()
            process.wait()
