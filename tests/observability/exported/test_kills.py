"""The real exporter and a real Prefect server, killed with -9: every failed run is counted once."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from deployments.local.ports import free_ports
from sluice.runs import PrefectRuns
from tests.conftest import clean_environment

pytestmark = [pytest.mark.slow, pytest.mark.waits]
START_SECONDS = 240.0


class Process:
    """One that can be killed and started again."""

    def __init__(self, arguments: list[str], env: Mapping[str, str], log: Path) -> None:
        self._arguments, self._env, self._log = arguments, dict(env), log
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", *self._arguments]
            self._running = subprocess.Popen(command, env=self._env, stdout=log, stderr=log, start_new_session=True)

    def kill(self) -> None:
        if self._running is not None:
            os.killpg(self._running.pid, signal.SIGKILL)
            self._running.wait()
            self._running = None


class Platform:
    """Attributes:
    prefect, exporter: the processes.
    page: where the exporter tells.
    """

    def __init__(self, root: Path) -> None:
        server, page, mlflow = free_ports("127.0.0.1", 3)
        home = root / ".sluice"
        (home / "prefect").mkdir(parents=True)
        api = f"http://127.0.0.1:{server}/api"
        env = {
            **clean_environment(home),
            "PREFECT_HOME": str(home / "prefect"),
            "PREFECT_API_URL": api,
            "PREFECT_SERVER_API_HOST": "127.0.0.1",
            "PREFECT_SERVER_API_PORT": str(server),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "SLUICE_PREFECT__URL": api,
            "SLUICE_EXPORTER__PORT": str(page),
            "SLUICE_EXPORTER__SECONDS": "0.5",
            "SLUICE_MLFLOW__URI": f"http://127.0.0.1:{mlflow}",  # where nobody is
        }
        command = ["deployments.local.prefect_server", "server", "start", "--analytics-off"]
        self.prefect = Process(command, env, root / "prefect.log")
        self.exporter = Process(["observability.exporter"], env, root / "exporter.log")
        self.page = f"http://127.0.0.1:{page}/metrics"
        self.runs = PrefectRuns(api)
        self._deployment = ""

    def up(self) -> None:
        self.prefect.start()
        _eventually(lambda: self.runs.request("GET", "/health") is not None, START_SECONDS)

    def deploy(self) -> None:
        flow = self.runs.request("POST", "/flows/", {"name": "train"})["id"]
        made = self.runs.request("POST", "/deployments/", {"name": "movies", "flow_id": flow})
        self._deployment = made["id"]

    def fail(self) -> None:
        """A run that has failed as soon as this returns."""
        self.run("RUNNING", "FAILED")

    def run(self, *states: str, seconds: float = 0) -> None:
        """A run that enters these states, with so many seconds after each."""
        path = f"/deployments/{self._deployment}/create_flow_run"
        run = self.runs.request("POST", path, {"state": {"type": "SCHEDULED"}})["id"]
        for state in states:
            self.runs.request("POST", f"/flow_runs/{run}/set_state", {"state": {"type": state}, "force": True})
            time.sleep(seconds)

    def told(self, series: str) -> float | None:
        found = re.search(rf"^{re.escape(series)} (\S+)$", httpx.get(self.page, trust_env=False).text, re.MULTILINE)
        return float(found[1]) if found else None

    def failed(self) -> float | None:
        return self.told('sluice_flow_runs_total{deployment="train/movies",state="failed"}')


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    made = Platform(tmp_path)
    with ExitStack() as stack:
        stack.callback(made.prefect.kill)
        stack.callback(made.exporter.kill)
        stack.enter_context(made.runs)
        made.up()
        made.deploy()
        made.exporter.start()
        yield made


@pytest.mark.timeout(600)
def test_no_kill_counts_twice_or_loses_a_failed_run(platform: Platform) -> None:
    """The exporter is killed while runs fail, and so is Prefect right after one did; MLflow is away all the time."""
    _eventually(lambda: platform.failed() == 0)
    platform.fail()
    _eventually(lambda: platform.failed() == 1)
    for killed_after in (0.0, 0.3, 0.6):  # before it can have looked, at a look, after it
        platform.fail()
        time.sleep(killed_after)
        platform.exporter.kill()
        platform.fail()
        platform.exporter.start()
        _eventually(lambda: platform.told("sluice_archive_errors_total") is not None)
    _eventually(lambda: platform.failed() == 7)

    platform.fail()
    platform.prefect.kill()
    _eventually(lambda: platform.told('sluice_component_up{component="prefect"}') == 0)
    assert platform.failed() in (7, 8)  # what was counted is told all the time
    platform.up()
    _eventually(lambda: platform.failed() == 8)
    platform.exporter.kill()
    platform.exporter.start()
    _eventually(lambda: platform.failed() == 8)
    time.sleep(2)  # several more looks
    assert platform.failed() == 8
    assert platform.told('sluice_component_up{component="mlflow"}') == 0
    assert platform.told('sluice_exporter_errors_total{source="flow_runs"}') == 0


def test_only_what_ran_has_a_duration_and_a_delay(platform: Platform) -> None:
    """Prefect dates a start for what never began, too, and keeps the first one's of what is tried again."""
    of = '{deployment="train/movies"}'
    _eventually(lambda: platform.failed() == 0)
    platform.run("CANCELLED")
    platform.run("CRASHED")
    platform.run("RUNNING", "SCHEDULED", "RUNNING", "COMPLETED", seconds=2)
    _eventually(lambda: platform.told('sluice_flow_runs_total{deployment="train/movies",state="completed"}') == 1)
    assert platform.told('sluice_flow_runs_total{deployment="train/movies",state="crashed"}') == 1
    assert platform.told(f"sluice_flow_run_duration_seconds_count{of}") == 1
    assert 4 <= (platform.told(f"sluice_flow_run_duration_seconds_sum{of}") or 0) < 5.5
    assert platform.told(f"sluice_flow_start_delay_seconds_count{of}") == 1


def _eventually(condition: Callable[[], object], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except Exception:
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.1)
