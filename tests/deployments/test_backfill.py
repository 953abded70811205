"""A flow over the past, window by window, on a Prefect that ends each run as a test says."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from deployments.backfill import Backfill
from sluice.runs import FlowRun
from sluice.window import Window

YEAR = Window(start=datetime(2016, 1, 1, tzinfo=UTC), end=datetime(2016, 5, 1, tzinfo=UTC))
MONTHS = YEAR.split("1mo")


class FakePrefect:
    """Runs end at the second look, as FAILED where their window's start month is in ``failing``."""

    def __init__(self) -> None:
        self.failing: set[int] = set()
        self.runs: dict[str, FlowRun] = {}
        self.looks: dict[str, int] = {}
        self.most_at_once = 0

    def request(self, method: str, path: str, missing_ok: bool = False) -> dict[str, str]:
        return {"id": "d1"}

    def runs_of(self, deployment_id: str, **_: Any) -> list[FlowRun]:
        return list(self.runs.values())

    def start(
        self, deployment: str, parameters: Mapping[str, Any], idempotency_key: str, tags: Sequence[str]
    ) -> FlowRun:
        if idempotency_key in self.runs:
            return self.runs[idempotency_key]
        now = datetime.now(UTC)
        run = FlowRun(
            id=idempotency_key, name="r", flow_id="f", state_type="RUNNING", state_name="Running", created=now,
            expected_start_time=now, tags=tuple(tags), parameters=dict(parameters),
        )  # fmt: skip
        self.runs[run.id] = run
        self.most_at_once = max(self.most_at_once, sum(not one.final for one in self.runs.values()))
        return run

    def read(self, run_id: str) -> FlowRun:
        run = self.runs[run_id]
        self.looks[run_id] = self.looks.get(run_id, 0) + 1
        if self.looks[run_id] == 2:
            month = datetime.fromisoformat(run.parameters["window"]["start"]).month
            ended = "FAILED" if month in self.failing else "COMPLETED"
            run = self.runs[run_id] = run.model_copy(update={"state_type": ended, "state_name": ended.capitalize()})
        return run


@pytest.fixture
def prefect(monkeypatch: pytest.MonkeyPatch) -> FakePrefect:
    monkeypatch.setattr("deployments.backfill._POLL_SECONDS", 0)
    return FakePrefect()


def backfill(prefect: Any, params: dict[str, Any] | None = None, parallel: int = 1) -> Backfill:
    return Backfill(prefect, "ingest/t", MONTHS, params or {}, parallel)


def test_every_window_has_one_run_and_no_more_than_so_many_at_once(prefect: FakePrefect) -> None:
    """Each run is told its window, and how many share the use case's limit."""
    work = backfill(prefect, parallel=3)
    work.run(lambda: None)
    assert all(slot.done for slot in work.slots)
    assert len(prefect.runs) == 4
    assert prefect.most_at_once == 3
    assert {run.parameters["parallel"] for run in prefect.runs.values()} == {3}


def test_again_runs_just_what_failed(prefect: FakePrefect) -> None:
    """One window of four fails; the second time only that one is run, and then nothing is."""
    prefect.failing = {3}
    first = backfill(prefect)
    first.run(lambda: None)
    assert [slot.failed for slot in first.slots] == [False, False, True, False]
    prefect.failing = set()
    for runs in (5, 5):
        again = backfill(prefect)
        again.run(lambda: None)
        assert all(slot.done for slot in again.slots)
        assert len(prefect.runs) == runs


def test_an_interrupted_one_goes_on(prefect: FakePrefect) -> None:
    """What still runs is waited for and not started a second time."""
    work = backfill(prefect, parallel=2)
    looks = iter(range(100))

    def interrupt() -> None:
        if next(looks) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work.run(interrupt)
    assert sum(slot.under_way for slot in work.slots) == 2
    again = backfill(prefect, parallel=2)
    assert sum(slot.under_way for slot in again.slots) == 2
    again.run(lambda: None)
    assert len(prefect.runs) == 4
    assert all(slot.done for slot in again.slots)


def test_other_parameters_are_another_backfill(prefect: FakePrefect) -> None:
    """What was done with k=5 says nothing of k=6."""
    backfill(prefect, {"k": 5}).run(lambda: None)
    other = backfill(prefect, {"k": 6})
    assert not any(slot.done for slot in other.slots)
