"""One trace id, followed over the real stack: from a request to a Dask task's log line, and from a prediction on."""

import json
import time
from collections.abc import Callable
from secrets import token_hex
from typing import Any

import httpx
import pytest

from sluice.runs import PrefectRuns
from tests.conftest import Stack

pytestmark = pytest.mark.integration
SECONDS = 240


def lines_of(stack: Stack, trace: str) -> list[dict[str, Any]]:
    """Every line with this trace, of all components."""
    found: list[dict[str, Any]] = []
    for log in (stack.settings.home / "logs").glob("*.log"):
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            if trace in line and line.startswith("{"):
                found.append(json.loads(line))
    return found


def until(found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + SECONDS
    while not (result := found()):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    return result


def test_request_that_starts_a_run_is_found_in_a_dask_task(stack: Stack) -> None:
    """`traceparent` of POST /runs: answer, flow, Prefect task and fan-out on a Dask worker have its trace id."""
    trace = token_hex(16)
    asked = {"deployment": "ingest/tiny", "parameters": {"fresh": token_hex(4)}}
    header = {"traceparent": f"00-{trace}-{token_hex(8)}-01"}
    answer = httpx.post(f"{stack.record.serving_url}/runs", json=asked, headers=header, timeout=60)
    assert answer.status_code == 201, answer.text
    assert answer.headers["traceparent"].split("-")[1] == trace
    run = answer.json()["id"]
    with PrefectRuns.of(stack.settings.prefect) as prefect:
        until(lambda: prefect.read(run).final)
        assert prefect.read(run).completed
    of_worker = until(lambda: [line for line in lines_of(stack, trace) if line["service"] == "dask-workers"])
    assert {line["flow_run_id"] for line in of_worker} == {run}
    assert {line["deployment"] for line in of_worker} == {"ingest/tiny"}
    assert all(line["task_run_id"] for line in of_worker)
    for said in ("Beginning flow run", "Finished in state"):
        until(lambda said=said: [line for line in lines_of(stack, trace) if said in line["msg"]])


def test_command_line_begins_a_trace(stack: Stack) -> None:
    """`sluice run` is the root: the run's lines have one trace id, which its label in Prefect names."""
    done = stack.sluice("run", "tiny", "--flow", "ingest", "--json")
    assert done.returncode == 0, done.stdout
    run = json.loads(done.stdout[done.stdout.index("{") :])["id"]
    with PrefectRuns.of(stack.settings.prefect) as prefect:
        label = prefect.request("GET", f"/flow_runs/{run}")["labels"]["__OTEL_TRACEPARENT"]
    trace = label.split("-")[1]
    services = {line["service"] for line in lines_of(stack, trace) if line["flow_run_id"] == run}
    assert {"flow-run", "dask-workers"} <= services
