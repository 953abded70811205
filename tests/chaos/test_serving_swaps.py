"""New champions and broken ones while requests come all the time, on the real service and registry."""

import os
import sys
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from tests.chaos.asked import predicted, three_protocols
from tests.chaos.conftest import StartService
from tests.chaos.load import Answer, load, percentile
from tests.chaos.log_models import FAILS, GOOD, UNLOADABLE
from tests.chaos.service_process import Mlflow, Service

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.slow]

RATE = 500
STEADY_SECONDS, EVERY_SECONDS = 5.0, 6.0
AFTER_SECONDS = 2.0
# The broken ones come among the others.
CHAMPIONS = [*map(str, range(2, 6)), FAILS, *map(str, range(6, 9)), UNLOADABLE, *map(str, range(9, GOOD + 1))]


def test_champions_change_under_load(mlflow: Mlflow, start_service: StartService, tmp_path: Path) -> None:
    """Ten new champions take over and two broken ones are refused: every request is answered, by one whole version."""
    registry = MlflowClient(mlflow.uri, mlflow.uri)
    registry.set_registered_model_alias("forest", "champion", "1")
    service = start_service("forest")
    service.until(lambda: service.how("forest").startswith("compiled"), 60)
    changed: dict[str, float] = {}
    with load(service.address, tmp_path, three_protocols("forest"), RATE) as run:
        time.sleep(STEADY_SECONDS)
        for version in CHAMPIONS:
            changed[version] = time.time()
            registry.set_registered_model_alias("forest", "champion", version)
            if version in (FAILS, UNLOADABLE):
                is_refused(service, version)
            else:
                service.until(lambda version=version: service.version("forest") == version)
            time.sleep(max(0.0, changed[version] + EVERY_SECONDS - time.time()))
    assert run.statuses() == {200: len(run.answers)}
    assert len(run.answers) > 0.9 * RATE * (STEADY_SECONDS + EVERY_SECONDS * len(CHAMPIONS))
    taken_over = each_version_in_turn(run.answers)
    assert not service.metric("sluice_model_refused_info")
    assert service.metric("sluice_model_load_failures_total", model="forest") == 2
    tell(run.answers, changed, taken_over)


def is_refused(service: Service, version: str) -> None:
    """The metric, the readiness and the log say so, and the version before it goes on."""
    service.until(lambda: service.metric("sluice_model_refused_info", model="forest", model_version=version) == 1)
    ready = service.get("/readyz")
    (status,) = ready.json()["models"]
    assert ready.status_code == 200
    assert status["version"] == str(int(CHAMPIONS[CHAMPIONS.index(version) - 1]))
    assert status["refused"]["version"] == version
    said = {FAILS: "now missing: - d", UNLOADABLE: "library_that_is_gone"}[version]
    assert said in status["refused"]["problem"]
    assert said in service.log()


def each_version_in_turn(answers: list[Answer]) -> dict[str, float]:
    """Versions and when they were first seen, after a check that each answered as itself and never again later."""
    seen: dict[str, list[float]] = defaultdict(list)
    for answer in answers:
        number = str(int(predicted(answer) // 100))
        assert answer.version == number, answer.text
        seen[number].append(answer.done)
    good = ["1", *(version for version in CHAMPIONS if version not in (FAILS, UNLOADABLE))]
    assert list(seen) == good
    for before, after in pairwise(good):
        # Requests that were under way at the swap may end in any order.
        assert max(seen[before]) < min(seen[after]) + 0.5
    return {version: min(times) for version, times in seen.items()}


def tell(answers: list[Answer], changed: dict[str, float], taken_over: dict[str, float]) -> None:
    """Latency from each change of the alias until two seconds after the new version came, and in all other time.

    What is between the changes belongs to the steady state: a machine that others use has better and worse minutes.
    """
    ends = {version: taken_over.get(version, at + AFTER_SECONDS) + AFTER_SECONDS for version, at in changed.items()}
    windows = {version: [one for one in answers if at <= one.due <= ends[version]] for version, at in changed.items()}
    around = {answer.id for window in windows.values() for answer in window}
    steady = [answer for answer in answers if answer.id not in around]
    every = [answer for answer in answers if answer.id in around]
    took = {version: ends[version] - AFTER_SECONDS - at for version, at in changed.items()}
    ratio = percentile(every, 0.99) / percentile(steady, 0.99)
    lines = [
        f"load average {os.getloadavg()[0]:.1f}; steady: {latency(steady)}",
        *(f"to {version} in {took[version]:.1f} s: {latency(window)}" for version, window in windows.items()),
        f"all changes: {latency(every)}; p99 is {ratio:.1f} times the steady one",
    ]
    sys.stdout.write("\n".join(["", *lines, ""]))


def latency(answers: list[Answer]) -> str:
    p50, p99, longest = (percentile(answers, share) for share in (0.5, 0.99, 1))
    return f"p50 {p50:.2f} ms, p99 {p99:.2f} ms, longest {longest:.0f} ms"
