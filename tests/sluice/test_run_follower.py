"""A run that goes on, look by look."""

from datetime import timedelta

import pytest

from sluice import run_follower
from sluice.paging import Position
from sluice.run_details import find
from sluice.run_follower import RunFollower
from sluice.run_names import RunNames
from sluice.runs import FlowRun
from tests.fakes.prefect import START, FakePrefect, id_of


@pytest.fixture
def prefect() -> FakePrefect:
    fake = FakePrefect()
    fake.run(1, state="RUNNING")
    return fake


def follower(prefect: FakePrefect, **options: object) -> RunFollower:
    client = prefect.client()
    run: FlowRun = find(client, id_of(1))
    return RunFollower(client, RunNames(client, ""), run, **options)  # type: ignore[arg-type]


def said(follower: RunFollower) -> list[str]:
    return [line.message for line in follower.look().lines]


def test_each_line_is_told_once_also_one_that_comes_late(prefect: FakePrefect) -> None:
    """Workers send their lines in batches: an older one of another worker may come after younger ones."""
    looking = follower(prefect)
    prefect.log(1, 1)
    prefect.log(2, 5)
    assert said(looking) == ["line 1", "line 2"]
    assert said(looking) == []
    prefect.log(3, 3)
    prefect.log(4, 6)
    assert said(looking) == ["line 3", "line 4"]


def test_lines_of_stages_are_among_them_in_order(prefect: FakePrefect) -> None:
    """The pipeline's log is that of all it has started, and nothing of other runs."""
    prefect.run(2, state="RUNNING", parent=id_of(1))
    prefect.run(3, state="RUNNING")
    prefect.log(10, 2, run=1)
    prefect.log(11, 1, run=2)
    prefect.log(12, 1, run=3)
    assert said(follower(prefect)) == ["line 11", "line 10"]


def test_only_lines_of_the_level_and_after_the_position(prefect: FakePrefect) -> None:
    """Who comes again goes on where they were."""
    for number in range(1, 5):
        prefect.log(number, number, level=10 * number)
    assert said(follower(prefect, level=30)) == ["line 3", "line 4"]
    after = Position(START + timedelta(seconds=2), id_of(2))
    assert said(follower(prefect, after=after)) == ["line 3", "line 4"]


def test_a_long_log_comes_in_parts_without_a_pause(prefect: FakePrefect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes late is told all of it; many lines of one time do not stop it."""
    monkeypatch.setattr(run_follower, "MOST_AT_ONCE", 3)
    for number in range(1, 12):
        prefect.log(number, 1 if number < 4 else number)
    looking, told = follower(prefect), []
    while (look := looking.look()).behind:
        told += [line.message for line in look.lines]
        assert len(told) < 12
    told += [line.message for line in look.lines]
    assert told == [f"line {number}" for number in range(1, 12)]


def test_changes_of_the_run_and_its_stages_are_told(prefect: FakePrefect) -> None:
    """The first look tells how it is; after that only what has become different."""
    stage = prefect.run(2, state="PENDING", parent=id_of(1))
    looking = follower(prefect)
    first = looking.look()
    assert first.run is not None
    assert (first.run.state, [one.state for one in first.stages]) == ("Running", ["Pending"])
    assert looking.look()[:2] == (None, [])
    stage |= {"state_type": "RUNNING", "state_name": "Running"}
    assert [one.state for one in looking.look().stages] == ["Running"]


def test_it_is_over_when_the_last_lines_are_out(prefect: FakePrefect) -> None:
    """The last batch of lines comes after the final state."""
    looking = follower(prefect)
    assert not looking.look().over
    prefect.runs[0] |= {"state_type": "COMPLETED", "state_name": "Completed"}
    assert not looking.look().over
    prefect.log(1, 1)
    look = looking.look()
    assert (len(look.lines), look.over) == (1, False)
    assert [looking.look().over for _ in range(3)] == [False, False, True]


def test_a_run_that_was_over_long_ago_is_told_at_once(prefect: FakePrefect) -> None:
    """Nobody waits for lines that cannot come any more."""
    prefect.runs[0] |= {"state_type": "FAILED", "state_name": "Failed", "end_time": START.isoformat()}
    prefect.log(1, 1)
    looking = follower(prefect)
    assert [looking.look().over for _ in range(2)] == [False, True]


def test_an_outage_loses_nothing(prefect: FakePrefect) -> None:
    """What happened meanwhile is in the next look that works."""
    looking = follower(prefect)
    looking.look()
    prefect.log(1, 1)
    prefect.runs[0] |= {"state_name": "Cancelling", "state_type": "CANCELLING"}
    prefect.silent = True
    with pytest.raises(Exception, match="does not answer"):
        looking.look()
    prefect.silent = False
    look = looking.look()
    assert look.run is not None
    assert (look.run.state, len(look.lines)) == ("Cancelling", 1)


def test_the_stages_of_a_cancelled_run_are_waited_for_but_not_for_ever(
    prefect: FakePrefect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prefect ends them some time after it."""
    monkeypatch.setattr(run_follower, "PATIENT_LOOKS", 6)
    stage = prefect.run(2, state="CANCELLING", parent=id_of(1))
    prefect.runs[0] |= {"state_type": "CANCELLED", "state_name": "Cancelled"}
    hanging = follower(prefect)
    assert [hanging.look().over for _ in range(6)] == [False] * 5 + [True]
    ending = follower(prefect)
    assert [ending.look().over for _ in range(4)] == [False] * 4
    stage |= {"state_type": "CANCELLED", "state_name": "Cancelled"}
    assert ending.look().over
