"""A fault, the alert in a real Prometheus, and its arrival through a real Alertmanager: webhook, Slack and mail.

The rules are the production ones with their times divided (`observability.prometheus.rules.in_a_hurry`). How long it
took from the fault to the arrival is printed.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from statistics import median

import distributed
import httpx
import pytest

from sluice.runs import PrefectRuns
from tests import runs
from tests.observability.alerts import models
from tests.observability.alerts.conftest import HURRY, SCRAPE_SECONDS, Watched
from tests.observability.alerts.listeners import eventually, plain

DRIFTED = 300  # predictions; monitor says nothing of fewer than 200
Told = Callable[[str, dict[str, float]], None]
pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.slow, pytest.mark.waits]


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    """Prints how long it took, also where pytest keeps what tests print to itself."""

    def tell(alert: str, seconds: dict[str, float]) -> None:
        ways = ", ".join(f"{way} {after:.1f} s" for way, after in sorted(seconds.items()))
        with capsys.disabled():
            print(f"\n{alert}: after the fault (rules {HURRY} times as fast) {ways}")  # noqa: T201 it is what is asked

    return tell


def test_every_target_is_scraped(watched: Watched) -> None:
    """All jobs are up: what the platform is made of, each Dask worker, the machine, and what watches."""
    jobs = {
        *("sluice-serving", "sluice-exporter", "prefect", "mlflow", "dask-scheduler", "dask-workers"),
        *("node", "prometheus", "alertmanager"),
    }

    def up() -> set[str]:
        return {found["metric"]["job"] for found in watched.query("min by (job) (up) == 1")}

    assert eventually(lambda: up() == jobs, 30), jobs ^ up()
    assert len(watched.query('up{job="dask-workers"}')) == 2


def test_a_flow_that_fails(watched: Watched, told: Told) -> None:
    """The alert names the run and links to it, by every way."""
    fault = time.time()
    done = watched.stack.sluice("run", "tiny", "--flow", "features", "--json")  # nothing was ingested
    assert done.returncode == 1, done.stdout
    seconds = watched.heard.wait("SluiceFlowRunFailed", fault, "features/tiny")
    bodies = [body for _, body in watched.heard.webhook]
    alert = next(body["alerts"][0] for body in bodies if body["commonLabels"]["alertname"] == "SluiceFlowRunFailed")
    with PrefectRuns.of(watched.stack.settings.prefect) as prefect:
        run = prefect.read(alert["labels"]["flow_run_id"])
    assert run.name == alert["labels"]["flow_run_name"]
    assert run.end_time is not None
    failing = run.end_time.timestamp() - fault
    told("SluiceFlowRunFailed", {way: after - failing for way, after in seconds.items()})
    assert alert["annotations"]["run_url"] == f"{watched.stack.record.prefect_ui}/runs/flow-run/{run.id}"
    assert alert["annotations"]["runbook_url"] == "https://runbooks.example.org/SluiceFlowRunFailed.md"
    assert run.id in alert["annotations"]["logs"]
    assert watched.heard.token == "Bearer letmein"
    (mail, *_) = [message for _, message in watched.heard.mail if "SluiceFlowRunFailed" in str(message["Subject"])]
    assert f"Run: {watched.stack.record.prefect_ui}/runs/flow-run/{run.id}" in plain(mail)
    (slack, *_) = [body for _, body in watched.heard.slack if "SluiceFlowRunFailed" in body["attachments"][0]["title"]]
    assert f"/runs/flow-run/{run.id}|Run>" in slack["attachments"][0]["text"]


def test_a_killed_dask_worker(watched: Watched, told: Told) -> None:
    """kill -9 of a worker with tasks under way. Its nanny starts another, and the alert tells that one was lost."""
    with distributed.Client(watched.stack.record.dask_address, set_as_default=False) as client:
        # Seen at work first: what begins and ends between two scrapes nobody sees.
        working = client.map(time.sleep, [4 * SCRAPE_SECONDS + n / 1000 for n in range(8)], pure=False)
        assert eventually(lambda: bool(watched.query('dask_scheduler_tasks{state="processing"} > 0')), 30)
        pids = client.run(os.getpid)
        fault = time.time()
        os.kill(next(iter(pids.values())), signal.SIGKILL)
        seconds = watched.heard.wait("SluiceDaskWorkerLost", fault)
        client.cancel(working)
    told("SluiceDaskWorkerLost", seconds)


@pytest.mark.rare
def test_a_drifted_model(watched: Watched, told: Told) -> None:
    """A model trained on 0 to 1 is asked for 0.9 to 1 only: the flow monitor finds it, the alert names the column."""
    assert runs.run(watched.stack, "pipeline/tiny", timeout=300).completed
    address = f"{watched.stack.record.serving_url}/invocations?model=tiny"
    fault = time.time()
    with httpx.Client(trust_env=False, timeout=60) as client:
        for number in range(DRIFTED):
            asked = {"inputs": {"x": [0.9 + number / DRIFTED / 10]}}
            client.post(address, json=asked).raise_for_status()
    logged = f'sum(sluice_prediction_log_written_total{{model="tiny"}}) >= {DRIFTED}'
    assert eventually(lambda: bool(watched.query(logged)), 60)
    done = watched.stack.sluice("run", "tiny", "--flow", "monitor", "--json")
    assert done.returncode == 0, done.stdout
    told("SluiceDriftHigh", watched.heard.wait("SluiceDriftHigh", fault, "x of tiny has drifted"))


def test_a_service_that_errors(watched: Watched, told: Told) -> None:
    """A quarter of a model's requests ends in a timeout: its error budget is used up, and the alert names it."""
    command = [sys.executable, models.__file__, watched.stack.record.mlflow_uri]
    done = subprocess.run(command, env=dict(watched.stack.env), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    address = f"{watched.stack.record.serving_url}/invocations?model=broken"
    fault = time.time()
    deadline = fault + 100
    with httpx.Client(trust_env=False, timeout=60) as client:
        while time.time() < deadline and len(watched.heard.arrived("SluiceServingErrorBudgetBurn", fault)) < 3:
            codes = [client.post(address, json={"inputs": {"x": [x]}}).status_code for x in (1.0, 2.0, 3.0, -1.0)]
            assert codes == [200, 200, 200, 504], codes
            time.sleep(0.1)
    told("SluiceServingErrorBudgetBurn", watched.heard.wait("SluiceServingErrorBudgetBurn", fault, "broken"))


@pytest.mark.rare
def test_a_missed_schedule(watched: Watched, told: Told) -> None:
    """A schedule of ten seconds whose runs nobody takes, as their queue is paused."""
    pool, address = watched.stack.settings.prefect.pool, watched.stack.record.prefect_url
    with httpx.Client(base_url=address, trust_env=False, timeout=60) as prefect:
        deployment = prefect.get("/deployments/name/score/tiny").raise_for_status().json()["id"]
        fault = time.time()
        paused = {"name": "nobody", "is_paused": True}
        prefect.post(f"/work_pools/{pool}/queues", json=paused).raise_for_status()
        queue = {"work_pool_name": pool, "work_queue_name": "nobody"}
        prefect.patch(f"/deployments/{deployment}", json=queue).raise_for_status()
        schedules, schedule = f"/deployments/{deployment}/schedules", {"schedule": {"interval": 10}, "active": True}
        (made,) = prefect.post(schedules, json=[schedule]).raise_for_status().json()
        try:
            seconds = watched.heard.wait("SluiceScheduleMissed", fault, "score/tiny", 180)
        finally:
            prefect.delete(f"{schedules}/{made['id']}").raise_for_status()
    told("SluiceScheduleMissed", seconds)


@pytest.mark.rare
def test_a_worker_that_stops_polling(watched: Watched, told: Told) -> None:
    """Prefect calls a worker offline when three of its heartbeats are missed; then the alert comes at once."""
    fault = time.time()
    watched.supervisor.stop("prefect-worker")
    try:
        seconds = watched.heard.wait("SluiceNoWorkerPolling", fault, seconds=180)
    finally:
        watched.supervisor.start_again("prefect-worker")
    told("SluiceNoWorkerPolling", seconds)


def test_the_watchdog_stops_with_prometheus(watched: Watched, told: Told) -> None:
    """The sign of life arrives as often as it is set to, and no more when there is no Prometheus."""
    beats, every = watched.heard.beats, watched.stack.settings.observe.heartbeat_seconds / HURRY
    first = len(beats)
    assert eventually(lambda: len(beats) >= first + 9, 60)
    apart = [later - at for (at, _), (later, _) in pairwise(beats[first:])]
    assert every * 0.7 < median(apart) < every * 1.3, apart
    assert {body["commonLabels"]["alertname"] for _, body in beats} == {"SluiceWatchdog"}
    stopped = time.time()
    watched.supervisor.stop("prometheus")
    try:
        time.sleep(25)
        late = [at - stopped for at, _ in beats if at > stopped]
        assert max(late, default=0) < 20, late
        told("SluiceWatchdog, its last sign", {"heartbeat": max(late, default=0)})
    finally:
        watched.supervisor.start_again("prometheus")
    assert eventually(watched.answers, 60)
