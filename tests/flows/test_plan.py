"""What makes two pieces of work the same."""

import pytest

from flows.plan import StagePlan


def plan(**changes: object) -> StagePlan:
    fields = {"stage": "train", "use_case": "tiny", "params": {"slope": 2.0}, "inputs": {"features": "features/tiny@1"}}
    return StagePlan(**(fields | {"code": "c1", "timeout": 60} | changes))


def test_key_is_equal_for_equal_work() -> None:
    """The same stage on the same inputs has the same key in every process."""
    assert plan().key == plan().key


@pytest.mark.parametrize(
    "change",
    [
        {"stage": "features"},
        {"use_case": "other"},
        {"params": {"slope": 3.0}},
        {"inputs": {"features": "features/tiny@2"}},
        {"code": "c2"},
    ],
)
def test_key_changes_with_everything_that_the_result_depends_on(change: dict[str, object]) -> None:
    """Inputs, parameters and code each make it other work."""
    assert plan(**change).key != plan().key


def test_key_ignores_the_time_limit() -> None:
    """A longer time limit does not throw finished work away."""
    assert plan(timeout=5).key == plan().key
