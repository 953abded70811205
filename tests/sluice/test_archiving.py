"""What is copied from Prefect into the archive, and how a look goes on from the one before."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sluice.archive import Archive
from sluice.archiving import OVERLAP, SETTLING, STEP, Archiving, Looked
from sluice.embedded_documents import EmbeddedDocuments
from sluice.errors import ServiceUnavailableError
from sluice.forgotten_runs import RUNS
from sluice.run_summary import Run
from sluice.runs import PrefectRuns
from sluice.settings import RetentionSettings, Settings
from sluice.task_query import TaskQuery
from sluice.task_runs import DETAILS
from tests.fakes.prefect_history import START, FakeHistory, at

NOW = START + timedelta(minutes=5)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedDocuments]:
    opened = EmbeddedDocuments(str(tmp_path / "documents.db"))
    yield opened
    opened.close()


@pytest.fixture
def archive(store: EmbeddedDocuments) -> Archive:
    return Archive(store)


@pytest.fixture
def history() -> FakeHistory:
    return FakeHistory()


@pytest.fixture
def prefect(history: FakeHistory) -> Iterator[PrefectRuns]:
    with history.client() as client:
        yield client


@pytest.fixture
def archiving(prefect: PrefectRuns, archive: Archive) -> Archiving:
    return Archiving(prefect, archive, Settings(retention=RetentionSettings(runs_days=3)))


def run_of(store: EmbeddedDocuments, id: str) -> Run:
    return Run.model_validate(store.find_one(RUNS, {"id": id}))


def test_a_run_is_copied_with_its_tasks(
    history: FakeHistory, archiving: Archiving, archive: Archive, store: EmbeddedDocuments
) -> None:
    """Its summary, parameters and result, and each task with what was noted of it; once more it is the same."""
    history.run("r1", parameters={"use_case": "movies", "params": {"k": 5}})
    history.task("t1", "r1", "plan")
    history.task("t2", "r1", "fit", "Cached")
    history.artifacts = [{"flow_run_id": "r1", "type": "result", "data": '{"ref": "movies@7"}'}]
    store.insert(DETAILS, [{"id": "t1", "run": "r1", "name": "plan", "arguments": {"stage": "train"}, "result": "p"}])
    assert archiving.look(now=NOW) == Looked(runs=1, tasks=2, complete=True)
    run = run_of(store, "r1")
    assert (run.deployment, run.flow, run.state, run.ended) == (
        *("train/movies", "train", "Completed"),
        START + timedelta(seconds=60),
    )
    assert run.parameters == {"use_case": "movies", "params": {"k": 5}}
    assert run.result == {"ref": "movies@7"}
    assert (run.tasks, run.unchanged) == ({"Completed": 1, "Cached": 1}, True)
    plan, fit = archive.task("t1"), archive.task("t2")
    assert (plan.arguments, plan.result, plan.deployment) == ({"stage": "train"}, "p", "train/movies")
    assert (fit.name, fit.state) == ("train.fit", "Cached")
    assert archiving.look(now=NOW) == Looked(0, 0, complete=True)


def test_what_is_under_way_is_followed_to_its_end(
    history: FakeHistory, archiving: Archiving, archive: Archive, store: EmbeddedDocuments
) -> None:
    """A task too whose last state comes after the run's."""
    history.run("r1", "RUNNING", ended=None)
    history.task("t1", "r1", state="Running")
    archiving.look(now=NOW)
    assert run_of(store, "r1").state_type == archive.task("t1").state_type == "RUNNING"
    history.run("r1", ended=310)
    archiving.look(now=NOW + timedelta(seconds=15))
    assert run_of(store, "r1").state == "Completed"
    assert archive.task("t1").state == "Running"
    history.task("t1", "r1")
    archiving.look(now=NOW + timedelta(seconds=17))
    assert archive.task("t1").state == "Completed"


@pytest.mark.parametrize("noted", [True, False])
def test_a_task_that_prefect_records_late_is_told_as_it_ended(
    history: FakeHistory, archiving: Archiving, archive: Archive, store: EmbeddedDocuments, noted: bool
) -> None:
    """A busy Prefect records a task after its run is over, when several looks have found nothing new."""
    history.run("r1", ended=290)
    history.task("t1", "r1")
    late = OVERLAP if noted else SETTLING
    if noted:
        store.insert(DETAILS, [{"id": "t2", "run": "r1", "name": "fit", "worker": "tcp://127.0.0.1:1"}])
    for seconds in range(0, int(late.total_seconds()) - 20, 5):
        archiving.look(now=NOW + timedelta(seconds=seconds))
    history.task("t2", "r1")
    archiving.look(now=NOW + late - timedelta(seconds=20))
    assert archive.task("t2").state == "Completed"


def test_stages_are_told_with_the_run_that_started_them(
    history: FakeHistory, archiving: Archiving, store: EmbeddedDocuments
) -> None:
    """Whichever was copied first; what stands for them in Prefect is no task."""
    history.run("p1", flow_id="f0", deployment_id=None, ended=200)
    stands = history.task("d1", "p1", "train-movies")
    stands["state"]["state_details"] = {"child_flow_run_id": "r1"}
    history.run("r1", parent_task_run_id="d1")
    history.task("t1", "r1", state="Cached")
    archiving.look(now=NOW)
    run = run_of(store, "p1")
    assert [(stage.flow, stage.run, stage.state, stage.unchanged) for stage in run.stages] == [
        ("train", "r1", "Completed", True)
    ]
    assert (run.tasks, run.unchanged) == ({"Cached": 1}, True)
    assert run_of(store, "r1").parent == "p1"


def test_another_process_goes_on_where_the_last_one_was(
    history: FakeHistory, prefect: PrefectRuns, archive: Archive, archiving: Archiving, store: EmbeddedDocuments
) -> None:
    """With an overlap, for states that are recorded late; what is older is not read again."""
    history.run("r1", ended=-10)
    history.run("r2", ended=290)
    archiving.look(now=NOW)
    store.delete(RUNS, {})
    history.run("r3", ended=299)  # it ended before the first look, which did not see it
    history.run("r4", ended=400)
    Archiving(prefect, archive, Settings()).look(now=NOW + timedelta(minutes=2))
    assert sorted(one["id"] for one in store.find(RUNS)) == ["r2", "r3", "r4"]


def test_the_first_look_reads_what_the_archive_keeps(
    history: FakeHistory, archiving: Archiving, archive: Archive, store: EmbeddedDocuments
) -> None:
    """A step at a time, so that it can stop and be taken up; older runs are left out."""
    now = START + timedelta(days=3)
    history.run("old", ended=-3600)
    for number in range(3):
        history.run(f"r{number}", ended=number * 86_400 + 3600)
    assert archiving.look(seconds=0, now=now).complete is False
    assert [one["id"] for one in store.find(RUNS)] == ["r0"]
    assert archive.copied_until() == START + STEP
    assert archive.looked_at() is None
    assert archiving.look(now=now).complete is True
    assert sorted(one["id"] for one in store.find(RUNS)) == ["r0", "r1", "r2"]
    assert archive.looked_at() == now


def test_a_run_that_left_unnoticed_is_looked_for(
    history: FakeHistory, prefect: PrefectRuns, archiving: Archiving, archive: Archive, store: EmbeddedDocuments
) -> None:
    """Ended long before anybody looked again, or deleted: neither is shown as running for ever."""
    for id in ("r1", "r2"):
        history.run(id, "RUNNING", ended=None)
        history.task(f"t-{id}", id)
    archiving.look(now=NOW)
    archive.set_copied_until(START + timedelta(days=2))
    history.run("r1", "CRASHED", ended=500)
    del history.runs["r2"]
    Archiving(prefect, archive, Settings()).look(now=START + timedelta(days=2, seconds=1))
    assert run_of(store, "r1").state_type == "CRASHED"
    assert store.count(RUNS) == 1
    assert [task.id for task in archive.tasks(TaskQuery(), 9)] == ["t-r1"]


def test_a_run_that_the_store_cannot_keep_does_not_stop_the_others(
    history: FakeHistory, archiving: Archiving, store: EmbeddedDocuments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as MongoDB an integer of more than 64 bits. It is tried once, not at every look."""
    history.run("r1", parameters={"use_case": "movies", "seed": 2**70})
    history.run("r2")
    tried: list[str] = []

    def upsert(collection: str, key: dict[str, str], document: dict[str, object]) -> None:
        tried.append(key["id"])
        if str(2**70) in str(document):
            raise OverflowError("MongoDB can only handle up to 8-byte ints")
        EmbeddedDocuments.upsert(store, collection, key, document)

    monkeypatch.setattr(store, "upsert", upsert)
    assert archiving.look(now=NOW).complete
    assert [one["id"] for one in store.find(RUNS)] == ["r2"]
    archiving.look(now=NOW)
    assert tried.count("r1") == 1


def test_an_outage_loses_nothing(history: FakeHistory, archiving: Archiving, store: EmbeddedDocuments) -> None:
    """What ended while Prefect did not answer is copied by the first look after it."""
    archiving.look(now=NOW)
    history.silent = True
    history.run("r1", ended=320)
    with pytest.raises(ServiceUnavailableError):
        archiving.look(now=NOW + timedelta(minutes=1))
    history.silent = False
    archiving.look(now=NOW + timedelta(hours=1))
    assert [one["id"] for one in store.find(RUNS)] == ["r1"]


def test_what_is_settled_is_not_asked_for_again(history: FakeHistory, archiving: Archiving) -> None:
    """Within the overlap a look asks for runs only, once nothing more comes of them; a change is seen all the same."""
    history.run("r1", ended=290)
    history.task("t1", "r1")
    later = NOW + SETTLING
    for _ in range(2):
        archiving.look(now=later)
    history.asked.clear()
    archiving.look(now=later)
    assert set(history.asked) == {"/flow_runs/filter"}
    history.run("r1", "RUNNING", ended=None, updated=at(400))
    assert archiving.look(now=NOW).runs == 1
