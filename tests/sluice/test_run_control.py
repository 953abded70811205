"""Ending a run, and trying one again."""

import pytest

from sluice.errors import RunNotFoundError, RunRetryRefusedError, RunUnderWayError
from sluice.run_control import cancel, retry
from tests.fakes.prefect import FakePrefect, id_of


@pytest.mark.parametrize("state", ["FAILED", "CRASHED", "CANCELLED"])
def test_a_run_that_did_not_complete_is_tried_again(state: str) -> None:
    """It stays the same run."""
    prefect = FakePrefect()
    prefect.run(1, state=state)
    again = retry(prefect.client(), id_of(1), "ann")
    assert (again.id, again.state_name) == (id_of(1), "AwaitingRetry")


@pytest.mark.parametrize("state", ["SCHEDULED", "PENDING", "RUNNING", "CANCELLING", "PAUSED"])
def test_a_run_that_is_not_over_is_not_tried_again(state: str) -> None:
    """Two processes of one run would be in each other's way."""
    prefect = FakePrefect()
    prefect.run(1, state=state)
    with pytest.raises(RunUnderWayError, match=f"{state.capitalize()}.*sluice cancel {id_of(1)}"):
        retry(prefect.client(), id_of(1), "ann")
    assert prefect.runs[0]["state_type"] == state


def test_a_completed_run_and_one_without_a_deployment_are_not_tried_again() -> None:
    """It says why, and what to do instead."""
    prefect = FakePrefect()
    prefect.run(1)
    prefect.run(2, state="FAILED", deployment_id=None)
    for number, said in ((1, "POST /runs"), (2, "no deployment made it")):
        with pytest.raises(RunRetryRefusedError, match=said):
            retry(prefect.client(), id_of(number), "ann")


def test_a_run_that_is_over_stays_as_it_is() -> None:
    """Cancelling twice is cancelling once."""
    prefect = FakePrefect()
    prefect.run(1, state="SCHEDULED")
    for _ in range(2):
        assert cancel(prefect.client(), id_of(1), "ann").state_type == "CANCELLED"
    assert [path for path in prefect.asked if path.endswith("set_state")] == [f"/flow_runs/{id_of(1)}/set_state"]


@pytest.mark.parametrize("id", [id_of(9), "no-id", "../flows/f1", "", f"{id_of(1)}/set_state", "\0"])
def test_what_is_no_run_is_not_found(id: str) -> None:
    """Nothing that a stranger writes becomes part of a path."""
    prefect = FakePrefect()
    prefect.run(1, state="FAILED")
    for do in (cancel, retry):
        with pytest.raises(RunNotFoundError):
            do(prefect.client(), id, "ann")
    assert not [path for path in prefect.asked if ".." in path or path.endswith("set_state")]
