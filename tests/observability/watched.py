"""A real Prometheus over a stack that is up, looking every second."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from deployments.local.ports import free_ports
from deployments.local.watching import configure_watching, program
from tests.conftest import Stack


class Prometheus:
    """Asks over HTTP. Addresses are on 127.0.0.1."""

    def __init__(self, port: int) -> None:
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False)

    def get(self, path: str, **params: str | float) -> Any:
        """What stands in ``data``. Raises AssertionError with Prometheus' words when it refuses a query."""
        answer = self._client.get(f"/api/v1/{path}", params=params)
        assert answer.is_success, f"{params}: {answer.text}"
        return answer.json()["data"]

    def value(self, query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("query", query=query)["result"]
        return found

    def names(self) -> set[str]:
        return set(self.get("label/__name__/values"))

    def ready(self) -> bool:
        try:
            return self._client.get("/-/ready").is_success
        except httpx.TransportError:
            return False

    def close(self) -> None:
        self._client.close()


@contextmanager
def watched(stack: Stack, folder: Path) -> Iterator[Prometheus]:
    """The stack's own configuration of Prometheus, but every second, and with a node exporter where there is one."""
    (port,) = free_ports("127.0.0.1", 1)
    observe = stack.settings.observe.model_copy(update={"scrape_seconds": 1.0})
    configure_watching(stack.record, stack.settings.model_copy(update={"observe": observe}))
    configuration = folder / "prometheus"
    shutil.copytree(stack.settings.home / "run" / "observe", configuration)
    written = configuration / "prometheus.yml"
    own = str(stack.settings.home / "run" / "observe")
    written.write_text(written.read_text().replace(own, str(configuration)))
    commands = [
        [
            str(program("prometheus")), f"--config.file={written}", f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=exemplar-storage",
        ],
        [str(program("node-exporter")), f"--web.listen-address=127.0.0.1:{stack.record.node_exporter_port}"],
    ]  # fmt: skip
    with (folder / "log").open("w") as log:
        processes = [subprocess.Popen(command, stdout=log, stderr=log) for command in commands]
    prometheus = Prometheus(port)
    try:
        deadline = time.monotonic() + 90
        while not prometheus.ready():
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.2)
        yield prometheus
    finally:
        prometheus.close()
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)
