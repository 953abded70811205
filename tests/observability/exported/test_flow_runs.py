"""The counters of runs: each end once, whatever dies in between, and none lost."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from observability.exported.deployments import Deployments
from observability.exported.flow_runs import FlowRuns
from sluice.embedded_documents import EmbeddedDocuments
from sluice.errors import ServiceUnavailableError
from tests.fakes.prefect_states import START, FakeStates
from tests.observability.told import values

FAILED = ("sluice_flow_runs_total", ("train/movies", "failed"))
COMPLETED = ("sluice_flow_runs_total", ("train/movies", "completed"))
LAST_SUCCESS = ("sluice_flow_last_success_timestamp_seconds", ("train/movies",))
FAILURE = "sluice_flow_last_failure_info"


class World:
    """A Prefect, a document store, and exporters that come and go."""

    def __init__(self, folder: Path) -> None:
        self.prefect = FakeStates()
        self.prefect.deploy("movies")
        self.documents = EmbeddedDocuments(str(folder / "documents.db"))
        self.source = self.another()

    def another(self) -> FlowRuns:
        """An exporter that knows only what another one kept."""
        client = self.prefect.client()
        self.source = FlowRuns(client, Deployments(client), self.documents, 2)
        self.source.look()  # which tells what was kept
        return self.source

    def list_again(self) -> None:
        """Have the next look read the list of deployments, which is remembered for some seconds."""
        self.source._deployments._read_at = None

    def look(self, after: float = 2) -> dict[Any, float]:
        self.prefect.now += after
        return values(self.source.look())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.look()
    yield made
    made.documents.close()


def test_every_deployment_begins_at_zero(world: World) -> None:
    """`increase()` sees the first failure only of a counter that was there before it."""
    world.prefect.deploy("shop")
    world.list_again()
    told = world.look()
    for name in ("train/movies", "train/shop"):
        for state in ("completed", "failed", "crashed", "cancelled"):
            assert told["sluice_flow_runs_total", (name, state)] == 0
    assert told[FAILED] == 0
    assert told["sluice_flow_runs_expired_total", ("train/movies",)] == 0
    assert told[LAST_SUCCESS] == (START.timestamp() - 3600)  # of the deployment's creation


def test_an_end_is_counted_once_however_often_it_is_seen(world: World) -> None:
    """The history and the runs both tell of it, look after look."""
    world.prefect.enter("run", "RUNNING")
    world.prefect.now += 30
    world.prefect.enter("run", "FAILED")
    for _ in range(3):
        told = world.look()
    assert told[FAILED] == 1
    assert told["sluice_flow_run_duration_seconds_count", ("train/movies",)] == 1
    assert told["sluice_flow_run_duration_seconds_sum", ("train/movies",)] == 30
    assert told["sluice_flow_run_duration_seconds_bucket", ("train/movies", "30.0")] == 1
    assert told["sluice_flow_run_duration_seconds_bucket", ("train/movies", "10.0")] == 0
    assert told["sluice_flow_start_delay_seconds_count", ("train/movies",)] == 1


@pytest.mark.parametrize(
    ("type", "name"), [("CANCELLED", "Expired"), ("CANCELLED", "Cancelled"), ("CRASHED", "Crashed")]
)
def test_what_never_began_has_no_delay_and_no_duration(world: World, type: str, name: str) -> None:
    """Prefect dates a start for it too, when it ends."""
    world.prefect.enter("run", "SCHEDULED")
    world.prefect.now += 3600
    world.prefect.enter("run", type, name)
    told = world.look()
    assert told["sluice_flow_runs_total", ("train/movies", type.lower())] == 1
    assert told["sluice_flow_start_delay_seconds_count", ("train/movies",)] == 0
    assert told["sluice_flow_run_duration_seconds_count", ("train/movies",)] == 0


def test_the_wait_between_two_tries_is_no_part_of_the_duration(world: World) -> None:
    """Ten seconds, an hour's wait, and ten seconds again."""
    for state, seconds in (("RUNNING", 10), ("SCHEDULED", 3600), ("RUNNING", 10)):
        world.prefect.enter("run", state)
        world.prefect.now += seconds
    world.prefect.enter("run", "COMPLETED")
    assert world.look()["sluice_flow_run_duration_seconds_sum", ("train/movies",)] == 20


def test_a_schedule_counts_from_when_it_became_what_it_is(world: World) -> None:
    """Resumed, added to an older deployment, or of another interval: nothing was missed before; also for the next
    exporter."""
    since = ("sluice_deployment_scheduled_timestamp_seconds", ("train/movies",))
    assert since not in world.look()

    def rescheduled(seconds: float, active: bool = True) -> float | None:
        schedules = [{"active": active, "schedule": {"interval": seconds}}]
        world.prefect.deploy("movies", schedules=schedules)
        world.list_again()
        found = world.look(100).get(since)
        return None if found is None else found - START.timestamp()

    first = rescheduled(600)
    assert first == world.prefect.now
    assert rescheduled(600) == first
    world.another()
    assert rescheduled(600) == first
    assert rescheduled(60) == world.prefect.now
    assert rescheduled(60, active=False) is None
    assert rescheduled(60) == world.prefect.now


def test_a_lost_event_loses_no_failure(world: World) -> None:
    """Prefect's server was killed before it wrote its history: the runs themselves tell."""
    world.prefect.loses_events = True
    world.prefect.enter("run", "FAILED")
    assert world.look()[FAILED] == 1
    assert world.look()[FAILED] == 1


def test_a_failure_that_was_tried_again_at_once_is_counted(world: World) -> None:
    """Between two looks a run failed, and then succeeded: the runs show its last state only."""
    for state in ("RUNNING", "FAILED", "RUNNING", "COMPLETED"):
        world.prefect.enter("run", state)
    told = world.look()
    assert (told[FAILED], told[COMPLETED]) == (1, 1)


def test_a_failure_of_a_run_that_was_deleted_is_counted(world: World) -> None:
    """The history still has it."""
    world.prefect.enter("run", "FAILED")
    del world.prefect.runs["run"]
    assert world.look()[FAILED] == 1


def test_an_exporter_that_was_killed_counts_on(world: World) -> None:
    """What was shown is kept; what ended meanwhile is counted by the next one, and nothing twice."""
    world.prefect.enter("one", "FAILED")
    assert world.look()[FAILED] == 1
    world.prefect.now += 3600
    world.prefect.enter("two", "FAILED")
    world.prefect.now += 3600
    world.another()
    assert values(world.source.look())[FAILED] == 2
    assert world.look()[FAILED] == 2


def test_the_next_exporter_tells_what_was_kept_while_prefect_is_away(world: World) -> None:
    """A counter that is gone for a while is a gap; one that began anew would be a reset."""
    world.prefect.enter("one", "FAILED")
    world.look()
    world.prefect.silent = True
    client = world.prefect.client()
    source = FlowRuns(client, Deployments(client), world.documents, 2)
    assert values(source.look())[FAILED] == 1
    with pytest.raises(ServiceUnavailableError):
        source.look()


class Dying(EmbeddedDocuments):
    """A store that is away when something is to be kept; ``after``: it kept it, and nobody heard."""

    dies = False
    after = False

    def update(self, collection: str, filter: Any, fields: Any) -> int:
        if self.dies and self.after:
            super().update(collection, filter, fields)
        if self.dies:
            raise ServiceUnavailableError(service="documents", address="here", hint="")
        return super().update(collection, filter, fields)


@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_the_write_counts_once(world: World, tmp_path: Path, after: bool) -> None:
    """Count and cursor are one document: killed before it is written or after, the next look comes to the same."""
    world.documents.close()
    world.documents = dying = Dying(str(tmp_path / "documents.db"))
    world.another()
    world.look()
    world.prefect.enter("one", "FAILED")
    dying.dies, dying.after = True, after
    with pytest.raises(ServiceUnavailableError):
        world.look()
    dying.dies = False
    assert world.look()[FAILED] == 1
    world.another()
    assert world.look()[FAILED] == 1


def test_two_exporters_do_not_count_twice(world: World) -> None:
    """While one is replaced both are at it; what one of them kept the other reads."""
    first = world.source
    second = world.another()
    for number in range(3):
        world.prefect.enter(f"run {number}", "FAILED")
        world.prefect.now += 2
        for source in (first, second, first, second):
            told = values(source.look())
    assert told[FAILED] == 3


def test_a_deployment_that_is_deleted_disappears(world: World) -> None:
    """Its series would keep their alerts for ever; one that is made again begins at zero."""
    world.prefect.enter("one", "FAILED")
    assert world.look()[FAILED] == 1
    gone = world.prefect.deployments.pop("movies")
    world.list_again()
    assert not [name for name, labels in world.look() if "train/movies" in labels]
    world.prefect.deployments["anew"] = {**gone, "id": "anew"}
    world.list_again()
    assert world.look()[FAILED] == 0


def test_runs_without_a_deployment_are_nobodys(world: World) -> None:
    """Labels are the deployments that there are, whatever people run by hand."""
    world.prefect.enter("one", "FAILED", deployment="")
    world.prefect.enter("two", "FAILED", deployment="unknown")
    told = world.look()
    assert {labels[0] for _, labels in told} == {"train/movies"}
    assert told[FAILED] == 0


def test_dropped_runs_are_told_apart(world: World) -> None:
    """A run that waited too long is cancelled by the platform, not by a person."""
    world.prefect.enter("one", "CANCELLED", "Expired")
    world.prefect.enter("two", "CANCELLED")
    told = world.look()
    assert told["sluice_flow_runs_total", ("train/movies", "cancelled")] == 2
    assert told["sluice_flow_runs_expired_total", ("train/movies",)] == 1
    assert told["sluice_flow_run_duration_seconds_count", ("train/movies",)] == 0


def test_the_last_failure_is_told_until_a_success(world: World) -> None:
    """One series a deployment: the newest run, for the link in an alert."""
    world.prefect.enter("one", "FAILED")
    world.prefect.now += 5
    world.prefect.enter("two", "CRASHED")
    failures = [labels for name, labels in world.look() if name == FAILURE]
    assert failures == [("train/movies", "two", "name of two")]
    world.prefect.enter("three", "COMPLETED")
    told = world.look()
    assert not [labels for name, labels in told if name == FAILURE]
    assert told[LAST_SUCCESS] == START.timestamp() + world.prefect.now - 2


def test_what_went_before_is_told_and_not_counted(tmp_path: Path) -> None:
    """The first exporter of an old server: no counter jumps, and the last success and failure are known."""
    world = World(tmp_path)
    world.prefect.now = -600
    world.prefect.enter("old", "COMPLETED")
    world.prefect.now = -300
    world.prefect.enter("bad", "FAILED")
    world.prefect.now = 0
    told = world.look()
    assert (told[COMPLETED], told[FAILED]) == (0, 0)
    assert told[LAST_SUCCESS] == START.timestamp() - 600
    assert (FAILURE, ("train/movies", "bad", "name of bad")) in told
    world.documents.close()


def test_a_look_that_finds_nothing_writes_nothing(world: World) -> None:
    """It looks every few seconds; the cursor is worth a write every half a minute."""
    written = []
    update = world.documents.update
    world.documents.update = lambda *given: written.append(given) or update(*given)  # type: ignore[func-returns-value, method-assign]
    for _ in range(10):
        world.look()
    assert not written
    world.look(after=30)
    assert len(written) == 1


def test_what_is_seen_is_forgotten(world: World) -> None:
    """The document does not grow with the runs that there ever were."""
    for number in range(20):
        world.prefect.enter(f"run {number}", "FAILED")
    world.look()
    for _ in range(5):
        told = world.look(after=600)
    assert told[FAILED] == 20
    assert world.documents.find_one("exporter_tally")["seen"] == []  # type: ignore[index]
