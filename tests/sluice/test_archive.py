"""The archive: pages of tasks, and what is dropped. Over the embedded store; its contract says the others are alike."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sluice.archive import TASKS, Archive
from sluice.embedded_documents import EmbeddedDocuments
from sluice.errors import InputInvalidError, TaskNotFoundError
from sluice.paging import Position
from sluice.run_summary import Run
from sluice.task_query import TaskQuery
from sluice.task_runs import DETAILS, TaskRun
from tests.fakes.prefect_history import START


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedDocuments]:
    opened = EmbeddedDocuments(str(tmp_path / "documents.db"))
    yield opened
    opened.close()


@pytest.fixture
def archive(store: EmbeddedDocuments) -> Archive:
    return Archive(store)


def task(number: int, seconds: float, **fields: Any) -> TaskRun:
    """A task that was received so many seconds after `START`."""
    received = START + timedelta(seconds=seconds)
    given = {"name": "train.fit", "task": "fit", "run": "r1", "state": "Completed", "state_type": "COMPLETED", **fields}
    return TaskRun(id=f"t{number:02}", received=received, timestamp=received, **given)


def test_pages_lose_nothing_and_tell_nothing_twice(archive: Archive) -> None:
    """Newest first, also where a page ends among tasks of one time."""
    for number in range(12):
        archive.put_task(task(number, number // 5))
    found: list[str] = []
    after = None
    while page := archive.tasks(TaskQuery(name="fit"), 2, after):
        found += [one.id for one in page]
        after = Position(page[-1].received, page[-1].id)
    assert found == [f"t{number:02}" for number in (11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)]


MOMENT = START + timedelta(seconds=3)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (TaskQuery(), [5, 4, 3, 2, 1]),
        (TaskQuery(name="train.fit"), [5, 2, 1]),
        (TaskQuery(name="fit"), [5, 3, 2, 1]),
        (TaskQuery(states=["completed"]), [4, 3, 1]),
        (TaskQuery(states=["Cached"]), [4]),
        (TaskQuery(states=["failed", "RUNNING"]), [5, 2]),
        (TaskQuery(runs=["r2"]), [3]),
        (TaskQuery(runs=["r1", "r2"]), [5, 4, 3, 2, 1]),
        (TaskQuery(deployment="train/movies"), [2]),
        (TaskQuery(worker="tcp://h:1"), [1]),
        (TaskQuery(worker="h"), [2, 1]),
        (TaskQuery(since=MOMENT), [5, 4, 3]),
        (TaskQuery(until=MOMENT), [2, 1]),
        (TaskQuery(since=MOMENT, until=MOMENT + timedelta(seconds=1), name="fit"), [3]),
    ],
)
def test_filters(archive: Archive, query: TaskQuery, expected: list[int]) -> None:
    """Each of them, and what a page is after together with its times."""
    archive.put_task(task(1, 1, worker="tcp://h:1", host="h"))
    archive.put_task(task(2, 2, worker="tcp://h:2", host="h", state_type="FAILED", deployment="train/movies"))
    archive.put_task(task(3, 3, run="r2", name="score.fit"))
    archive.put_task(task(4, 4, name="train.split", task="split", state="Cached"))
    archive.put_task(task(5, 5, state="Running", state_type="RUNNING"))
    found = archive.tasks(query, 10)
    assert [one.id for one in found] == [f"t{number:02}" for number in expected]
    paged = archive.tasks(query, 10, Position(found[0].received, found[0].id))
    assert [one.id for one in paged] == [one.id for one in found[1:]]
    later = archive.tasks(query, 10, Position(START + timedelta(days=1), "t"))
    assert later == found


def test_types_and_names_of_states_do_not_mix() -> None:
    """The store has no «or»; the answer says so instead of finding nothing."""
    with pytest.raises(InputInvalidError, match="not both"):
        TaskQuery(states=["failed", "Cached"]).filter()


def test_a_task_comes_back_as_it_went_in(archive: Archive) -> None:
    """Times, texts and family, and written again it stays one."""
    whole = task(1, 1, arguments={"plan": "p"}, parents=["t0"], children=["t2"], runtime=1.5, pid=7, result="é\n=1")
    for _ in range(2):
        archive.put_task(whole)
    assert archive.task("t01") == whole
    with pytest.raises(TaskNotFoundError, match="t02"):
        archive.task("t02")


def test_what_is_too_old_is_dropped(archive: Archive, store: EmbeddedDocuments) -> None:
    """Runs by their end, tasks and notes by their beginning; what is under way stays."""
    summary = {"name": "n", "flow": "train", "due": START, "created": START}
    archive.prepare()
    archive.put_run(Run(id="r1", ended=START, **summary))
    archive.put_run(Run(id="r2", ended=START + timedelta(days=2), **summary))
    archive.put_run(Run(id="r3", **summary))
    archive.put_task(task(1, 0))
    archive.put_task(task(2, 2 * 86_400))
    store.insert(DETAILS, [{"id": "t01", "submitted": START}, {"id": "t02", "submitted": START + timedelta(days=2)}])
    assert archive.drop(START + timedelta(days=1)) == 3
    assert sorted(one["id"] for one in store.find("runs")) == ["r2", "r3"]
    assert [one["id"] for one in [*store.find(TASKS), *store.find(DETAILS)]] == ["t02", "t02"]


def test_the_cursor_is_kept(archive: Archive, store: EmbeddedDocuments) -> None:
    """For the next process."""
    assert archive.copied_until() is archive.looked_at() is None
    archive.set_copied_until(START)
    archive.set_looked_at(MOMENT)
    again = Archive(store)
    known: tuple[datetime | None, datetime | None] = (again.copied_until(), again.looked_at())
    assert known == (START, MOMENT)
