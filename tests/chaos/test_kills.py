"""kill -9 in the middle of train: the next state is clear, a re-run goes on, and nothing exists twice."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from sluice.lake import Lake
from sluice.models import open_registry
from tests import runs
from tests.chaos.processes import kill_flow_process, kill_prefect_worker
from tests.conftest import Stack

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.slow]

# A heartbeat every 30 s, three of them missing, and the time the automation takes to look.
ZOMBIE_SECONDS = 240


@pytest.mark.rare
def test_killed_dask_worker_is_survived(stack: Stack, tmp_path: Path) -> None:
    """The worker that trains kills itself; the scheduler gives the task to another one and the run completes."""
    flag = runs.marker(tmp_path / "kill")
    ended = runs.run(stack, "pipeline/tiny", offset=110_000_000, kill_worker_once=flag)
    assert not Path(flag).exists(), "no worker was killed"
    assert ended.completed, ended.message
    _nothing_exists_twice(stack)


def test_killed_flow_process_is_a_crash_and_a_re_run_goes_on(stack: Stack, tmp_path: Path) -> None:
    """The train flow's own process is killed: train is Crashed at once, the pipeline says so, a re-run completes."""
    _kill_in_train(stack, tmp_path, 120_000_000, kill_flow_process, timeout=120)


@pytest.mark.rare
def test_killed_prefect_worker_leaves_no_zombie(stack: Stack, tmp_path: Path) -> None:
    """The Prefect worker dies with its flow processes: the runs end as Crashed, it comes back, a re-run completes."""
    _kill_in_train(stack, tmp_path, 130_000_000, kill_prefect_worker, timeout=ZOMBIE_SECONDS)


def _kill_in_train(
    stack: Stack, tmp_path: Path, offset: int, kill: Callable[[Stack, str], None], timeout: float
) -> None:
    flag = runs.marker(tmp_path / "sleep")
    params = {"offset": offset, "sleep_while": flag}
    try:
        pipeline = runs.start(stack, "pipeline/tiny", **params)
        train = _wait_for_fit(stack, pipeline)
        kill(stack, train)
        assert runs.wait(stack, train, timeout).state_type == "CRASHED"
        ended = runs.wait(stack, pipeline, timeout)
    finally:
        Path(flag).unlink()  # or it would go on, and every later run of the session wait for it
    assert ended.state_type in {"FAILED", "CRASHED"}
    assert ended.message
    again = runs.run(stack, "pipeline/tiny", timeout=400, **params)
    assert again.completed, again.message
    of_pipeline = runs.stages(stack, again.id)
    assert runs.task_states(stack, of_pipeline["ingest"].id)["write"] == "Cached"
    assert runs.task_states(stack, of_pipeline["features"].id)["write"] == "Cached"
    _nothing_exists_twice(stack)


def _wait_for_fit(stack: Stack, pipeline: str) -> str:
    """Until the train stage is inside its task fit; gives the id of its run."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        train = runs.stages(stack, pipeline).get("train")
        if train is not None and runs.task_states(stack, train.id).get("fit") == "Running":
            return train.id
        time.sleep(0.3)
    raise AssertionError("train did not come to its task fit")


def _nothing_exists_twice(stack: Stack) -> None:
    lake = Lake.from_settings(stack.settings)
    rows = lake.dataset(lake.latest_or_raise("raw/tiny")).read()
    assert rows["id"].n_unique() == rows.height
    for table in ("raw/tiny", "features/tiny"):
        keys = Counter(version.key for version in lake.versions(table))
        assert max(keys.values()) == 1, keys
    keys = Counter(version.tags["sluice.key"] for version in open_registry(stack.settings).versions("tiny"))
    assert max(keys.values()) == 1, keys
