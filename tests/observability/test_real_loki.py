"""Against a real Loki, whose address ``SLUICE_TEST_LOKI_URL`` gives: lines of processes that are gone, by LogQL."""

import os
import subprocess
import sys
import time
from pathlib import Path
from secrets import token_hex
from typing import Any
from uuid import uuid4

import httpx
import pytest

from observability.loki_push import LABELS
from sluice.component_logs import LogFilter
from sluice.loki_logs import LokiLogs
from sluice.settings import LogSettings

LOKI = os.environ.get("SLUICE_TEST_LOKI_URL", "")
pytestmark = pytest.mark.skipif(not LOKI, reason="SLUICE_TEST_LOKI_URL is not set")

PROGRAM = """
import sys
from loguru import logger
from observability.process import configure_process
from observability.tracing import continued, span
from sluice.settings import Settings

run, trace, service = sys.argv[1:]
configure_process(Settings.load(), service=service)
ids = {"flow_run_id": run, "deployment": "train/tiny"}
with continued(f"00-{trace}-{'1' * 16}-00"), span("work"), logger.contextualize(**ids):
    for number in range(50):
        logger.info("line {}", number)
    try:
        raise OSError("no space")
    except OSError:
        logger.exception("It broke.")
"""


def lines_of_ended_processes(namespace: str) -> tuple[str, str]:
    """Two processes log and end; the run's id and the trace's."""
    run, trace = str(uuid4()), token_hex(16)
    for service in ("flow-run", "dask-workers"):
        env = {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "SLUICE_LOGS__LOKI_URL": LOKI,
            "SLUICE_LOGS__PUSH": "true",
            "SLUICE_LOGS__NAMESPACE": namespace,
        }
        subprocess.run([sys.executable, "-c", PROGRAM, run, trace, service], env=env, check=True, capture_output=True)
    return run, trace


def query(logql: str) -> list[dict[str, Any]]:
    now = time.time_ns()
    span = {"start": now - 3600 * 10**9, "end": now + 60 * 10**9, "limit": 1000}
    answer = httpx.get(f"{LOKI}/loki/api/v1/query_range", params={"query": logql, **span}, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]["result"]


def test_run_whose_processes_are_gone_is_found_by_its_ids() -> None:
    """By structured metadata, the run's and the trace's, all lines and no other; `sluice logs` reads them too."""
    namespace = f"test-{token_hex(4)}"
    run, trace = lines_of_ended_processes(namespace)
    lines_of_ended_processes(namespace)
    for name, wanted in (("flow_run_id", run), ("trace_id", trace)):
        found = query(f'{{namespace="{namespace}"}} | {name}="{wanted}"')
        assert sum(len(stream["values"]) for stream in found) == 102
    errors = query(f'{{namespace="{namespace}", level="ERROR"}} | trace_id="{trace}"')
    assert {stream["stream"]["service_name"] for stream in errors} == {"flow-run", "dask-workers"}
    logs = LokiLogs(LogSettings(loki_url=LOKI, loki_labels={"namespace": namespace}))
    assert len(logs.lines(LogFilter(run=run), 1000).lines) == 102
    assert {line.level for line in logs.lines(LogFilter(run=run, level="ERROR"), 10).lines} == {"ERROR"}


def test_streams_are_the_planned_ones() -> None:
    """Two services at two levels are four streams, and their labels are the six."""
    namespace = f"test-{token_hex(4)}"
    lines_of_ended_processes(namespace)
    now = time.time_ns()
    params = {"match[]": f'{{namespace="{namespace}"}}', "start": now - 3600 * 10**9, "end": now + 10**9}
    streams = httpx.get(f"{LOKI}/loki/api/v1/series", params=params, timeout=30).json()["data"]
    assert len(streams) == 4
    assert {tuple(sorted(stream)) for stream in streams} == {tuple(sorted(LABELS))}
