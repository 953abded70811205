"""The real service and the real registry as processes that tests load, kill and start again."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from deployments.local.ports import free_ports
from tests.conftest import clean_environment

START_SECONDS = 90.0
STOP_SECONDS = 40.0


class Server:
    """A server process. Leave its ``with`` block, and it and its children are gone.

    Args:
        home: the folder of its local state, which its next process finds again.
        env: what is set beside that.
    """

    health = "/livez"

    def __init__(self, home: Path, command: list[str], env: Mapping[str, str], port: int) -> None:
        self.home, self.port, self.address = home, port, f"127.0.0.1:{port}"
        self._command, self._env = command, {**clean_environment(home), **env}
        self._process: subprocess.Popen[bytes] | None = None
        self._http = httpx.Client(base_url=f"http://{self.address}", timeout=30, trust_env=False)
        self._log = home.with_suffix(".log")

    def __enter__(self) -> Any:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.alive:
            self.stop()
        self._http.close()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.home.mkdir(exist_ok=True)
        with self._log.open("a") as log:
            # A group of its own: what it started ends with it.
            self._process = subprocess.Popen(
                self._command, env=self._env, cwd=self.home, stdout=log, stderr=log, start_new_session=True
            )
        self.until(lambda: self.get(self.health).status_code == 200, START_SECONDS)

    def stop(self) -> int:
        """SIGTERM; gives the exit code."""
        self.send(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """``kill -9`` of the process and of all that it started."""
        os.killpg(self.pid, signal.SIGKILL)
        self.wait()

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self) -> int:
        assert self._process is not None
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            raise

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def get(self, path: str) -> httpx.Response:
        """Over a connection of its own: any of several workers may answer."""
        return self._http.get(path, headers={"connection": "close"})

    def log(self) -> str:
        return self._log.read_text()

    def until(self, condition: Callable[[], object], seconds: float = 30.0) -> None:
        """Wait for it; the process must live meanwhile."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if condition():
                    return
            except httpx.TransportError:
                pass
            assert self.alive, self.log()[-3000:]
            assert time.monotonic() < deadline, f"it never came true\n{self.log()[-3000:]}"
            time.sleep(0.05)


class Service(Server):
    """``python -m serving`` with models of a registry at ``mlflow``; settings by the names of their variables."""

    health = "/readyz"

    def __init__(self, home: Path, mlflow: str, models: list[str], port: int = 0, **settings: str) -> None:
        (free,) = free_ports("127.0.0.1", 1)
        env = {"SLUICE_MLFLOW__URI": mlflow, "SLUICE_SERVING__PORT": str(port or free), "SLUICE_LOG_FORMAT": "json"}
        env |= {f"SLUICE_SERVING__{name}": json.dumps(models) for name in ("MODELS", "REQUIRED")}
        env |= {f"SLUICE_{name}": value for name, value in settings.items()}
        super().__init__(home, [sys.executable, "-m", "serving"], env, port or free)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples with these labels, over all others."""
        return sum(value for found, value in self.samples(name) if labels.items() <= found.items())

    def samples(self, name: str) -> list[tuple[dict[str, str], float]]:
        families = text_string_to_metric_families(self.get("/metrics").text)
        return [(sample.labels, sample.value) for one in families for sample in one.samples if sample.name == name]

    def version(self, model: str) -> str:
        return str(self.get(f"/models/{model}").json()["version"])

    def how(self, model: str) -> str:
        return str(self.get(f"/models/{model}").json()["how"])


class Mlflow(Server):
    """A real MLflow server over SQLite and a folder, on this machine's disk."""

    health = "/health"

    def __init__(self, home: Path) -> None:
        (port,) = free_ports("127.0.0.1", 1)
        self.uri = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{home / 'mlflow.db'}"]
        command += ["--default-artifact-root", (home / "artifacts").as_uri(), "--no-serve-artifacts"]
        super().__init__(home, command, {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}, port)
