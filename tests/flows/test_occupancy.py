"""Finding the workers that a run occupies, telling its steps, and freeing them: on real worker processes."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import distributed
import pytest

from flows.cluster import DaskCompute
from flows.interruption import interruptible
from flows.occupancy import free, of_run, tell
from flows.run_log import LogTarget, run_log
from sluice.errors import SoftTimeLimitExceededError
from sluice.staging import Staging

pytestmark = pytest.mark.slow  # each worker imports Prefect

RUN, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
DEADLINE = 30.0


@pytest.fixture(scope="module")
def client() -> Iterator[distributed.Client]:
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1", silence_logs=50
        ) as local,
        distributed.Client(local) as connected,
    ):
        yield connected


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def begun(folder: Path, count: int) -> Callable[[], bool]:
    return lambda: len(list(folder.glob("begun-*"))) == count


def loop(item: int, folder: str, how: str = "") -> str:
    """Until the file ``end`` is there."""
    (Path(folder) / f"begun-{item}").touch()
    while not (Path(folder) / "end").exists():
        time.sleep(600 if how == "asleep" else 0.02)
    return f"{item} ended by itself"


def step(run: str, item: int, folder: str, how: str = "") -> str:
    return interruptible(run, loop, item, folder, how)


def fan_out(run: str, folder: str) -> list[str]:
    with run_log(LogTarget(run, None)):
        return interruptible(run, DaskCompute(Staging(folder, "raw/tiny")).map, loop, range(2), folder)


def test_a_step_is_told_while_it_waits_for_its_fan_out(client: distributed.Client, tmp_path: Path) -> None:
    """The step raises, and what it had fanned out ends too, so that both workers are free again."""
    with of_run(RUN):
        waiting = client.submit(fan_out, RUN, str(tmp_path), pure=False)
    until(begun(tmp_path, 2))
    assert tell(client, OTHER) == 0
    assert tell(client, RUN) == 3  # the step and two items
    with pytest.raises(SoftTimeLimitExceededError):
        waiting.result(timeout=DEADLINE)
    assert sorted(client.gather(client.map(abs, range(2), pure=False))) == [0, 1]


def test_a_worker_that_is_stuck_in_c_code_is_freed(client: distributed.Client, tmp_path: Path) -> None:
    """Its process is ended and another one started; what another run does meanwhile goes on."""
    with of_run(RUN):
        stuck = client.submit(step, RUN, 0, str(tmp_path), "asleep", pure=False)
    with of_run(OTHER):
        other = client.submit(step, OTHER, 1, str(tmp_path), pure=False)
    until(begun(tmp_path, 2))
    with of_run(RUN):
        queued = client.submit(step, RUN, 3, str(tmp_path), pure=False)
    before = client.has_what()
    freed = free(client, RUN)
    assert len(freed) == 1
    for future in (stuck, queued):
        with pytest.raises(distributed.CancelledError):
            future.result(timeout=DEADLINE)
    until(lambda: len(client.has_what()) == 2 and set(client.has_what()) != set(before))
    (tmp_path / "end").touch()
    assert other.result(timeout=DEADLINE) == "1 ended by itself"
    assert not (tmp_path / "begun-3").exists()


def test_a_worker_that_is_not_busy_with_the_run_is_left_alone(client: distributed.Client) -> None:
    """A run whose steps are over, or never began, costs nobody a worker."""
    before = set(client.has_what())
    assert free(client, RUN) == []
    assert set(client.has_what()) == before
