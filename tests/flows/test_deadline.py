"""When time limits pass."""

import time

from flows.deadline import Deadlines
from sluice.limits import Limits


def test_limits_count_from_the_beginning() -> None:
    """Each has its moment; a run without limits has none."""
    before = time.time()
    soft, hard = Deadlines.begun("train/tides", Limits(soft_seconds=5, hard_seconds=9))
    assert soft is not None
    assert hard is not None
    assert 5 <= soft.at - before < 8
    assert 0 < soft.left <= 5
    assert (hard.seconds, hard.run) == (9, "train/tides")
    assert Deadlines.begun("train/tides", Limits()) == (None, None)


def test_the_earlier_of_a_stages_and_its_pipelines_counts() -> None:
    """The pipeline's limits hold for the stages, and are named as its; one that has passed has nothing left."""
    now = time.time()
    within = {
        "soft": {"at": now - 1, "seconds": 60.0, "run": "pipeline/tides"},
        "hard": {"at": now + 100, "seconds": 200.0, "run": "pipeline/tides"},
    }
    soft, hard = Deadlines.begun("train/tides", Limits(soft_seconds=5, hard_seconds=9), within)
    assert soft is not None
    assert hard is not None
    assert (soft.run, soft.left) == ("pipeline/tides", 0)
    assert hard.run == "train/tides"
