"""The real process: what SIGTERM does to a log that is followed."""

import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Timer

import httpx
import pytest

from deployments.local.ports import free_ports
from serving.__main__ import DRAIN_SECONDS
from sluice.runs import PrefectRuns
from tests.conftest import Stack
from tests.serving.fakes import eventually


@pytest.mark.integration
@pytest.mark.slow
def test_sigterm_ends_a_stream_and_does_not_wait_for_it(stack: Stack, tmp_path: Path) -> None:
    """Else each restart would take as long as requests under way may; the browser comes again by itself."""
    (port,) = free_ports("127.0.0.1", 1)
    env = {**stack.env, "SLUICE_HOME": str(tmp_path), "SLUICE_SERVING__PORT": str(port)}
    with PrefectRuns(stack.settings.prefect.url) as prefect:
        waiting = prefect.start("features/tiny", {}, due=datetime.now(UTC) + timedelta(days=400)).id
    process = subprocess.Popen([sys.executable, "-m", "serving"], env=env, cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
            eventually(_alive(client), seconds=120)
            with client.stream("GET", f"/runs/{waiting}/logs?follow=true") as answer:
                lines = answer.iter_lines()
                assert next(lines) == "event: state"
                process.send_signal(signal.SIGTERM)
                # It ends in order, and not because it was cut off: that would be an error of httpx.
                late = Timer(DRAIN_SECONDS - 5, process.kill)
                late.start()
                assert "event: end" not in list(lines)
                assert late.is_alive()
                late.cancel()
        assert process.wait(60) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait()
        with PrefectRuns(stack.settings.prefect.url) as prefect:
            prefect.cancel(waiting)


def _alive(client: httpx.Client) -> Callable[[], bool]:
    def ask() -> bool:
        try:
            return client.get("/livez").status_code == 200
        except httpx.TransportError:
            return False

    return ask
