"""`sluice limits` and `sluice schedules`: what a person and a script get."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments import catch_up
from sluice.runs import FlowRun, PrefectRuns
from tests import feed, runs
from tests.conftest import INSTALLED, Stack

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.waits]
YAML = """\
schedules: {ingest: {interval: 3600}, pipeline: {cron: "0 3 * * *"}}
limits:
  ingest: {concurrency: 2, soft_seconds: 600, hard_seconds: 900}
  features: {expires: 30, rate: 6/m}
"""


@pytest.fixture(scope="module")
def limited(stack: Stack) -> Iterator[Stack]:
    """The session's stack with one use case more, which has limits and schedules."""
    (stack.root / "limited.csv").write_text("id,name\n1,a\n")
    feed.install(stack.root / INSTALLED, str(stack.root / "limited.csv"), "limited", YAML)
    done = stack.sluice("deploy")
    assert done.returncode == 0, done.stdout
    yield stack
    with PrefectRuns(stack.settings.prefect.url) as prefect:
        for deployment in prefect.every("/deployments/filter"):
            if deployment["name"] == "limited":
                prefect.request("DELETE", f"/deployments/{deployment['id']}")
    for folder in (stack.root / INSTALLED).glob("limited*"):
        shutil.rmtree(folder)


def test_limits_are_listed(limited: Stack) -> None:
    """Those of use_case.yaml, for each flow that has some, with what waits for them."""
    (features, ingest) = json.loads(limited.sluice("limits", "limited", "--json").stdout)
    assert (ingest["deployment"], ingest["concurrency"], ingest["hard_seconds"]) == ("ingest/limited", 2, 900)
    assert (features["rate"], features["expires"]) == ("6/m", 30)
    assert (features["waiting"], features["expired"]) == (0, 0)
    wrong = limited.sluice("limits", "limted")
    assert wrong.returncode == 1
    assert "ingest/limited" in wrong.stdout


def test_the_third_of_three_waits(limited: Stack) -> None:
    """Two run at a time, side by side, the third waits and then runs too: none is refused, none is skipped."""
    seen_waiting = False
    with PrefectRuns(limited.settings.prefect.url) as prefect:
        started = [prefect.start("ingest/limited", {}) for _ in range(3)]
        deadline = time.monotonic() + 240
        while not all((now := [prefect.read(run.id) for run in started], [run.final for run in now])[1]):
            assert time.monotonic() < deadline, now
            under_way = [run for run in now if run.state_type in {"PENDING", "RUNNING"}]
            assert len(under_way) <= 2
            seen_waiting |= any(run.state_name == "AwaitingConcurrencySlot" for run in now)
            time.sleep(0.2)
    assert all(run.completed for run in now), [run.message for run in now]
    assert seen_waiting
    first, second, third = sorted((run for run in now if run.start_time), key=lambda run: str(run.start_time))
    assert first.end_time is not None
    assert second.start_time is not None
    assert third.start_time is not None
    assert second.start_time < first.end_time
    assert third.start_time >= first.end_time


def test_schedules_stop_and_the_rest_goes_on(limited: Stack, tmp_path: Path) -> None:
    """While a run is under way all schedules are paused: it completes, another starts by hand, the service answers."""
    flag = runs.marker(tmp_path / "busy")
    under_way = runs.start(
        limited, "ingest/tiny", busy="plainly", busy_file=flag, offset=410_000_000, rows=10, bad_rows=0
    )
    paused = limited.sluice("schedules", "pause", "--all", "--json")
    assert paused.returncode == 0, paused.stdout
    said = {line["deployment"]: line["active"] for line in json.loads(paused.stdout)}
    assert said["ingest/limited"] is said["pipeline/limited"] is said["pipeline/movies"] is False
    with PrefectRuns(limited.settings.prefect.url) as prefect:
        assert not any(scheduled.active for scheduled in catch_up.schedules(prefect))
        assert waiting_runs(prefect) == []
    Path(flag).unlink()
    assert runs.wait(limited, under_way).completed
    assert runs.run(limited, "ingest/tiny", offset=410_010_000, rows=10, bad_rows=0).completed
    assert answers(limited)
    listed = json.loads(limited.sluice("schedules", "list", "limited", "--json").stdout)
    assert [line["next"] for line in listed] == [None, None]
    resumed = limited.sluice("schedules", "resume", "--all", "--json")
    assert all(line["active"] for line in json.loads(resumed.stdout))
    with PrefectRuns(limited.settings.prefect.url) as prefect:
        assert all(scheduled.active for scheduled in catch_up.schedules(prefect))


def waiting_runs(prefect: PrefectRuns) -> list[FlowRun]:
    """Of schedules, that would still be started."""
    found = prefect.every("/flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}})
    return [run for run in map(FlowRun.model_validate, found) if run.auto_scheduled]


def answers(stack: Stack) -> bool:
    import httpx

    return httpx.get(f"{stack.record.serving_url}/models", trust_env=False, timeout=30).is_success


def test_what_a_script_gets_wrong_is_said(limited: Stack) -> None:
    """One name and --all is a wrong option; a name that no schedule has is an error that names those there are."""
    both = limited.sluice("schedules", "pause", "movies", "--all")
    assert both.returncode == 2
    unknown = limited.sluice("schedules", "pause", "moovies")
    assert unknown.returncode == 1
    assert "pipeline/movies" in unknown.stdout
