"""The autoscalers on a cluster with metrics-server: a second pod under load, and one again after it."""

import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.cluster.kubectl import until
from tests.cluster.option import with_option
from tests.cluster.platform import READY_SECONDS, USE_CASE, Platform
from tests.cluster.visitor import answered, asked, failures
from tests.cluster.workers import busy
from tests.helm.chart import RELEASE

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]
# Two pods at most, on however small a node; the quiet that takes one away is too short for production.
BY_LOAD = {
    "autoscaling": {"enabled": True, "min": 1, "max": 2, "cpuPercent": 50, "scaleDownSeconds": 15},
    "resources": {"requests": {"cpu": "200m"}},
}
SCALED: dict[str, Any] = {"serving": BY_LOAD, "dask": {"worker": BY_LOAD}}
# Ninety candidates: minutes of a small machine, as the autoscaler needs half a one.
SEARCH = {
    "search": {
        "gradient_boosting": {
            "learning_rate": [number / 200 for number in range(4, 14)],
            "iterations": [200, 300, 400],
            "max_depth": [2, 3, 4],
        }
    }
}


def has_metrics() -> bool:
    command = ["kubectl", "get", "apiservice", "v1beta1.metrics.k8s.io"]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0


@pytest.fixture(scope="module")
def scaled(platform: Platform) -> Iterator[Platform]:
    """The release with the autoscalers, and a champion that answers."""
    if not has_metrics():
        pytest.skip("this cluster has no metrics-server (helm/releases.yaml)")
    with with_option(platform, SCALED) as made:
        run = made.start(f"pipeline/{USE_CASE}")
        assert made.end(run).completed, made.log(run)
        assert USE_CASE in made.predict()
        yield made


def state(platform: Platform) -> str:
    return f"{platform.kubectl('describe', 'hpa')}\n{platform.state()}"


def number(platform: Platform, component: str) -> int | None:
    """How many pods there are, where all of them answer and their CPU is known."""
    name = f"{RELEASE}-{component}"
    status = platform.kubectl.one("deployment", name)["status"]
    known = platform.kubectl.one("hpa", name)["status"].get("currentMetrics")
    return int(status["replicas"]) if known and status["replicas"] == status.get("readyReplicas") else None


def becomes(platform: Platform, component: str, wanted: int) -> None:
    until(lambda: number(platform, component) == wanted, READY_SECONDS, lambda: state(platform))


def predictions(platform: Platform) -> dict[str, float]:
    """How many each pod has answered, by its own count."""
    headers = {"Authorization": f"Bearer {platform.secret('secrets', 'serving-bootstrap-key')}"}
    found = {}
    for pod in platform.kubectl.pods("serving"):
        with platform.kubectl.forward(f"pod/{pod['metadata']['name']}", 8000) as address:
            page = httpx.get(f"{address}/metrics", headers=headers, timeout=30, trust_env=False).text
        ours = [line for line in page.splitlines() if line.startswith("sluice_prediction_requests_total{")]
        found[pod["metadata"]["name"]] = sum(float(line.split()[-1]) for line in ours if 'code="2xx"' in line)
    return found


def test_load_brings_a_second_pod_and_quiet_takes_it_away(scaled: Platform) -> None:
    """Both answer, by their own counts; somebody who asks all the while sees nothing of either change."""
    becomes(scaled, "serving", 1)
    with asked(scaled, "steady", pause=0.3) as steady:
        with asked(scaled, "crowd", pause=0.002, anew=True) as crowd:
            becomes(scaled, "serving", 2)
            before = predictions(scaled)
            until(lambda: _all_went_on(before, predictions(scaled)), 120, lambda: f"{before} {predictions(scaled)}")
        becomes(scaled, "serving", 1)
        # Until the other has come to its end, with whatever it still had to answer.
        until(lambda: len(scaled.kubectl.names("pods", component="serving")) == 1, 120, lambda: state(scaled))
    assert failures(steady + crowd) == []
    assert min(answered(steady), answered(crowd)) > 50


def _all_went_on(before: dict[str, float], after: dict[str, float]) -> bool:
    return len(after) == 2 and all(after[name] > before.get(name, 0) + 20 for name in after)


def test_a_search_brings_a_second_worker_and_quiet_takes_it_away(scaled: Platform) -> None:
    """The worker that comes in the middle is given tasks, and the run completes."""
    becomes(scaled, "dask-worker", 1)
    run = scaled.start(f"train/{USE_CASE}", {"params": SEARCH})
    becomes(scaled, "dask-worker", 2)
    until(lambda: len(busy(scaled)) == 2, READY_SECONDS, lambda: f"{busy(scaled)}\n{state(scaled)}", poll=0.5)
    ended = scaled.end(run)
    assert ended.completed, scaled.log(run)
    becomes(scaled, "dask-worker", 1)
