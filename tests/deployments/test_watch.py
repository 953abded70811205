"""What is shown of a run, with a Prefect that changes between two looks."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from deployments import watch as watching
from deployments.watch import WatchedRun, watch
from sluice.errors import ServiceUnavailableError
from sluice.runs import FlowRun, PrefectRuns

NOW = "2026-11-21T05:00:00Z"


def run(flow: str, state: str) -> FlowRun:
    described = {"id": flow, "name": flow, "flow_id": flow, "created": NOW, "expected_start_time": NOW}
    return FlowRun.model_validate({**described, "state_name": state.capitalize(), "state_type": state})


class FakeRuns(PrefectRuns):
    """Gives one look after the other: states by flow, or None for a server that is silent.

    Only after ``slow`` questions does it know whether a stage was unchanged.
    """

    def __init__(self, *looks: dict[str, str] | None, cached: tuple[str, ...] = (), slow: int = 0) -> None:
        super().__init__("http://prefect/api")
        self._looks: Iterator[dict[str, str] | None] = iter(looks)
        self._look: dict[str, str] = {}
        self._cached = cached
        self._slow = slow
        self._asked = 0

    def flow_name(self, flow_id: str) -> str:
        return flow_id

    def read(self, run_id: str) -> FlowRun:
        look = next(self._looks)
        if look is None:
            raise ServiceUnavailableError(service="Prefect", address="", hint="")
        self._look = look
        return run(run_id, look[run_id])

    def children(self, run_id: str) -> list[FlowRun]:
        return [run(flow, state) for flow, state in self._look.items() if flow != run_id]

    def unchanged(self, run_id: str) -> bool | None:
        self._asked += 1
        return None if self._asked <= self._slow else run_id in self._cached


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_POLL_SECONDS", 0.0)


def watched(runs: FakeRuns, flow: str = "pipeline") -> tuple[WatchedRun, list[list[str]]]:
    """How it ended, and the lines that were shown: flow and state."""
    text = io.StringIO()
    with runs:
        ended = watch(runs, run(flow, "SCHEDULED"), Console(file=text, width=200))
    return ended, [line.split()[:-2] for line in text.getvalue().splitlines()]


def test_each_change_is_one_line() -> None:
    """Without a terminal, as in a log: the run before its stages, and last once all of them have ended."""
    ended, lines = watched(
        FakeRuns(
            {"pipeline": "PENDING"},
            {"pipeline": "RUNNING", "ingest": "PENDING"},
            {"pipeline": "RUNNING", "ingest": "RUNNING"},
            {"pipeline": "RUNNING", "ingest": "RUNNING"},
            {"pipeline": "FAILED", "ingest": "FAILED"},
        )
    )
    assert lines == [["pipeline", "Running"], ["ingest", "Running"], ["ingest", "Failed"], ["pipeline", "Failed"]]
    assert not ended.run.completed


def test_skipped_stage_is_told_from_a_done_one() -> None:
    """A stage that found everything in the cache says so."""
    _, lines = watched(
        FakeRuns({"pipeline": "COMPLETED", "ingest": "COMPLETED", "train": "COMPLETED"}, cached=("ingest",))
    )
    assert ["ingest", "Completed,", "unchanged"] in lines
    assert ["train", "Completed"] in lines


def test_stage_alone_is_watched_too() -> None:
    """`sluice run --flow train` shows one line, without stages that will never come."""
    ended, lines = watched(FakeRuns({"train": "COMPLETED"}, cached=("train",)), flow="train")
    assert lines == [["train", "Completed,", "unchanged"]]
    assert ended.stages == {}


@pytest.mark.parametrize(("slow", "said"), [(2, ["Completed,", "unchanged"]), (99, ["Completed"])])
def test_what_prefect_hears_late_is_waited_for(slow: int, said: list[str]) -> None:
    """The tasks' states come after the run's; a few more looks are taken, and not more than a few."""
    _, lines = watched(FakeRuns(*[{"train": "COMPLETED"}] * 9, cached=("train",), slow=slow), flow="train")
    assert lines == [["train", *said]]


def test_restart_of_the_server_is_waited_out() -> None:
    """The stack starts a dead Prefect server again; who watches a run sees it go on."""
    ended, _ = watched(FakeRuns({"pipeline": "RUNNING"}, None, None, {"pipeline": "COMPLETED"}))
    assert ended.run.completed


def test_silent_server_ends_the_watching(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that stays away is an error, not an endless wait."""
    monkeypatch.setattr(watching, "_SILENCE_SECONDS", 0.0)
    looks: list[Any] = [None] * 100
    with pytest.raises(ServiceUnavailableError):
        watched(FakeRuns(*looks))
