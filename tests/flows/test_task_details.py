"""What is noted of a task beside Prefect, and that noting it is never at the task's expense."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from loguru import logger
from pydantic import BaseModel, SecretStr

from flows.short_text import LONGEST, LONGEST_ARGUMENT, short_text
from flows.task_details import TaskDetails, noted
from observability.redaction import Redactor
from sluice.documents import DocumentStore, open_documents
from sluice.embedded_documents import EmbeddedDocuments
from sluice.errors import ServiceUnavailableError
from sluice.references import TableRef
from sluice.settings import DocumentSettings, Settings
from sluice.task_runs import DETAILS, NEVER_BEGUN, UNRECORDED, TaskRun
from tests import runs
from tests.conftest import Stack

SECRET = "mongodb://user:hunter2secret@127.0.0.1:9/"


@pytest.fixture
def said() -> Iterator[list[str]]:
    """What is logged."""
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}", level="WARNING")
    yield lines
    logger.remove(sink)


def details(open_store: Callable[[], Any]) -> TaskDetails:
    return TaskDetails(open_store, Redactor(Settings(documents=DocumentSettings(uri=SecretStr(SECRET)))))


def test_a_task_is_noted_from_its_submission_to_its_end(tmp_path: Path) -> None:
    """What the flow submitted, what the worker was given, where it ran, what it gave; when it is done it is there."""
    with_path = str(tmp_path / "documents.db")
    notes = details(lambda: EmbeddedDocuments(with_path))
    notes.submitted("t1", "r1", "fit", {"k": 5, "parts": TableRef(table="raw/x", version=3)}, ["t0"])
    notes.begun("t1", {"k": 5, "parts": {"a": TableRef(table="raw/x", version=3)}})
    notes.fanned_out("t1", 8)
    notes.fanned_out("other", 1)
    notes.ended("t1", result=TableRef(table="features/x", version=0))
    store = EmbeddedDocuments(with_path)
    (found,) = store.find(DETAILS)
    store.close()
    assert (found["run"], found["name"], found["parents"]) == ("r1", "fit", ["t0"])
    assert found["given"] == {"k": "5", "parts": "raw/x@3"}
    assert found["arguments"] == {"k": "5", "parts": "{'a': raw/x@3}"}
    assert (found["result"], found["error"], found["fan_out"]) == ("features/x@0", None, 8)
    assert found["submitted"] <= found["began"] <= found["ended"]
    assert found["pid"] > 0


def test_secrets_are_not_noted(tmp_path: Path) -> None:
    """In arguments, results and errors, also where a text is cut within one."""
    store = EmbeddedDocuments(str(tmp_path / "documents.db"))
    notes = details(lambda: store)
    notes.begun("t1", {"uri": SECRET, "long": "x" * (LONGEST_ARGUMENT - 30) + SECRET})
    notes.ended("t1", error=ValueError(f"cannot reach {SECRET}"))
    (found,) = store.find(DETAILS)
    assert "hunter2" not in str(found)
    assert found["error"].startswith("ValueError: cannot reach ")
    assert len(found["arguments"]["long"]) <= LONGEST_ARGUMENT


def test_a_store_that_is_away_costs_a_line_and_no_time(said: list[str]) -> None:
    """It is tried in another thread, and nobody waits for it once it is known to be away."""

    def away() -> DocumentStore:
        raise ServiceUnavailableError(service="The document store", address="there", hint="Start it.")

    notes = details(away)
    for number in range(20):
        notes.begun(f"t{number}", {})
        notes.ended(f"t{number}", result=1)
    assert sum("are not noted" in line for line in said) == 1


class Hanging:
    """A store that does not answer until it is told to."""

    def __init__(self) -> None:
        self.answers = False
        self.upserts = 0

    def unique(self, collection: str, fields: list[str]) -> None: ...

    def upsert(self, collection: str, key: dict[str, str], document: dict[str, Any]) -> None:
        while not self.answers:
            time.sleep(0.01)
        self.upserts += 1


def test_a_store_that_hangs_is_waited_for_no_longer_than_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Submitting and beginning never wait; notes that are too many are dropped, the others written when it answers."""
    monkeypatch.setattr("flows.task_details._END_SECONDS", 0.05)
    monkeypatch.setattr("flows.task_details._WAITING", 10)
    store = Hanging()
    notes = details(lambda: store)
    for number in range(40):
        notes.submitted(f"t{number}", "r1", "fit", {}, [])
    notes.ended("t1", result=1)
    store.answers = True
    deadline = time.monotonic() + 10
    while store.upserts < 10:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert store.upserts < 40


def test_a_function_outside_of_a_run_is_only_called() -> None:
    """As a test of a step calls it; its name and signature stay."""

    @noted
    def double(n: int) -> int:
        """Twice."""
        return 2 * n

    assert (double(2), double.__name__, double.__doc__) == (4, "double", "Twice.")


class Rude:
    def __repr__(self) -> str:
        raise RuntimeError("no")


@dataclass
class Pair:
    left: Any
    right: Any


class Model(BaseModel):
    key: SecretStr = SecretStr("hunter2secret")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is\n", "as it is\n"),
        (None, "None"),
        ([TableRef(table="raw/x", version=1)], "[raw/x@1]"),
        (Pair(TableRef(table="raw/x", version=1), "a"), "Pair(left=raw/x@1, right='a')"),
        (Model(), "Model(key=SecretStr('**********'))"),
        (short_text, "flows.short_text.short_text"),
        (Rude(), "<Rude, which has no text: RuntimeError>"),
    ],
)
def test_any_value_has_a_short_text(value: object, text: str) -> None:
    """References by what they name, secrets never, and nothing raises."""
    assert short_text(value) == text


def test_a_large_value_has_a_short_text() -> None:
    """Of a long text its beginning; of a large container some members, without a look at the others."""
    assert short_text("x" * 9_999) == "x" * (LONGEST - 1) + "…"
    assert len(short_text(list(range(10**6)))) < 200
    nested: list[Any] = []
    for _ in range(5_000):
        nested = [nested]
    assert len(short_text(nested)) < 50


@pytest.mark.integration
def test_tasks_of_a_run_are_in_the_archive(stack: Stack) -> None:
    """On the real engines: arguments, worker and result of what was done, arguments alone of what was cached."""
    offset = int(time.time())  # rows that nobody has ingested: the second run finds everything done
    ended = runs.run(stack, "ingest/tiny", offset=offset, rows=100)
    done = archived(stack, ended.id)
    assert set(done) == {"plan", "read", "validate", "quarantine", "compare", "write"}
    write = done["write"]
    assert (write.name, write.state, write.deployment) == ("ingest.write", "Completed", "ingest/tiny")
    assert write.arguments["plan"].startswith("ingest of tiny on source ")
    assert write.worker is not None
    assert write.worker.startswith("tcp://")
    assert write.pid is not None
    assert write.result is not None
    assert write.result.startswith("raw/tiny@")
    assert write.parents == [done[name].id for name in ("validate", "quarantine", "compare")]
    assert done["compare"].children == [write.id]
    assert done["validate"].fan_out is not None
    again = archived(stack, runs.run(stack, "ingest/tiny", offset=offset, rows=100).id)
    assert (again["read"].state, again["read"].worker, again["read"].result) == ("Cached", None, None)
    assert again["validate"].arguments["arrived"] == "result of read"


def archived(stack: Stack, run_id: str) -> dict[str, TaskRun]:
    """A run's tasks in the archive, by name, once the exporter has copied their ends."""
    store = open_documents(stack.settings)
    deadline = time.monotonic() + 240
    while True:
        found = [TaskRun.model_validate(one) for one in store.find("task_runs", {"run": run_id})]
        if found and all(task.final and task.state not in {NEVER_BEGUN, UNRECORDED} for task in found):
            break
        assert time.monotonic() < deadline, [(task.task, task.state) for task in found]
        time.sleep(0.3)
    store.close()
    return {task.task: task for task in found}
