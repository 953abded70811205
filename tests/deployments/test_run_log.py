"""The log of a run, followed over a Prefect that writes while it is read."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from deployments import run_log
from deployments.run_log import RunLog, find_run
from sluice.component_logs import LogFilter
from sluice.errors import RunNotFoundError
from sluice.runs import PrefectRuns

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
RUN, STAGE = str(uuid4()), str(uuid4())


class FakePrefect(httpx.MockTransport):
    """One run and its stage, and the lines of both. ``steps`` happen one a look at the run; then it is over."""

    def __init__(self, *steps: Callable[[], None]) -> None:
        super().__init__(self._answer)
        self.steps = list(steps)
        self.names = {RUN: "amber-mantis"}
        self.logs: list[dict[str, Any]] = []

    def write(self, second: float, message: str, run: str = RUN, level: int = 20) -> None:
        at = (START + timedelta(seconds=second)).isoformat()
        line = {
            "id": str(uuid4()),
            "timestamp": at,
            "message": message,
            "flow_run_id": run,
            "level": level,
            "name": "l",
        }
        self.logs.append(line)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content or "{}")
        if request.url.path.endswith("/logs/filter"):
            return httpx.Response(200, json=self._lines(body))
        if request.url.path.endswith("/flow_runs/filter"):
            wanted = body["flow_runs"]
            if "name" in wanted:
                found = [RUN] if self.names[RUN] in wanted["name"]["any_"] else []
            else:
                found = [run for run in self.names if run != RUN] if RUN in wanted["parent_flow_run_id"]["any_"] else []
            return httpx.Response(200, json=[self._run(run) for run in found][body.get("offset", 0) :])
        if request.url.path.endswith(RUN):
            if self.steps:
                self.steps.pop(0)()
            return httpx.Response(200, json=self._run(RUN))
        return httpx.Response(404, json={})

    def _run(self, run: str) -> dict[str, Any]:
        state = "RUNNING" if self.steps else "COMPLETED"
        times = {"created": START.isoformat(), "expected_start_time": START.isoformat()}
        return {"id": run, "name": self.names[run], "flow_id": "f", "state_type": state, **times}

    def _lines(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        wanted = body["logs"]
        found = [
            line
            for line in self.logs
            if line["flow_run_id"] in wanted["flow_run_id"]["any_"]
            and line["level"] >= wanted.get("level", {}).get("ge_", 0)
            and line["timestamp"] >= wanted.get("timestamp", {}).get("after_", "")
        ]
        found.sort(key=lambda line: str(line["timestamp"]), reverse=body["sort"] == "TIMESTAMP_DESC")
        return found[body["offset"] :][: body["limit"]]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for."""
    monkeypatch.setattr(run_log, "_POLL_SECONDS", 0.0)
    monkeypatch.setattr(run_log, "_AFTER_SECONDS", 0.0)


def test_lines_that_come_late_are_given_once() -> None:
    """Prefect's handlers send batches: an older line may come after a later one, also of a stage that is new."""

    def begins() -> None:
        prefect.names[RUN] = "pipeline-tiny"
        prefect.names[STAGE] = "train-tiny"
        prefect.write(3, "three")
        prefect.write(4, "four", STAGE)

    def late() -> None:
        prefect.write(2.5, "late")
        prefect.write(5, "five\x1b[31m", STAGE, 40)

    prefect = FakePrefect(lambda: None, begins, late)
    for second in range(3):
        prefect.write(second, f"old {second}")
    with PrefectRuns("http://prefect/api", prefect) as runs:
        log = RunLog(runs, find_run(runs, RUN))
        assert [line.message for line in log.last(LogFilter(), 2)] == ["old 1", "old 2"]
        came = list(log.follow(LogFilter()))
        assert log.run.completed
    assert [(line.service, line.message) for line in came] == [
        ("pipeline-tiny", "three"),
        ("train-tiny", "four"),
        ("pipeline-tiny", "late"),
        ("train-tiny", "five"),
    ]
    assert (came[-1].level, came[-1].context["run"]) == ("ERROR", STAGE)


def test_nothing_of_before_is_given_where_none_is_wanted() -> None:
    """`sluice logs RUN -n 0 -f` begins with what comes."""
    prefect = FakePrefect(lambda: None, lambda: prefect.write(500, "new"))
    for number in range(450):
        prefect.write(number, f"old {number}")
    with PrefectRuns("http://prefect/api", prefect) as runs:
        log = RunLog(runs, find_run(runs, RUN))
        assert log.last(LogFilter(), 0) == []
        assert [line.message for line in log.follow(LogFilter())] == ["new"]


def test_filters_choose_among_all_lines() -> None:
    """Not among the newest page only."""
    prefect = FakePrefect()
    prefect.write(0, "the cause", level=40)
    for number in range(450):
        prefect.write(number + 1, "noise")
    with PrefectRuns("http://prefect/api", prefect) as runs:
        log = RunLog(runs, find_run(runs, "amber-mantis"))
        for wanted in (LogFilter(level="ERROR"), LogFilter(contains="CAUSE")):
            assert [line.message for line in log.last(wanted, 5)] == ["the cause"]


def test_no_line_is_given_twice_while_more_are_written() -> None:
    """Each moves the lines of the next page by one."""
    prefect = FakePrefect()
    for number in range(450):
        prefect.write(number, f"old {number}")
    answer = prefect.handler

    def writing(request: httpx.Request) -> httpx.Response:
        answered = answer(request)
        if request.url.path.endswith("/logs/filter"):
            prefect.write(500 + len(prefect.logs), "new")
        return answered  # type: ignore[return-value]

    with PrefectRuns("http://prefect/api", httpx.MockTransport(writing)) as runs:
        log = RunLog(runs, find_run(runs, RUN))
        assert [line.message for line in log.last(LogFilter(), 1000)] == [f"old {number}" for number in range(450)]


@pytest.mark.parametrize("which", ["nobody", str(uuid4())])
def test_unknown_run_is_named(which: str) -> None:
    """By name and by id."""
    with PrefectRuns("http://prefect/api", FakePrefect()) as runs, pytest.raises(RunNotFoundError, match=which):
        find_run(runs, which)
