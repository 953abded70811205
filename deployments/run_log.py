"""The log of a run and of the stages that it started, from Prefect, as it is written."""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sluice.component_logs import LEVELS, LogFilter, LogLine
from sluice.errors import RunNotFoundError
from sluice.log_text import cleaned
from sluice.run_details import is_id
from sluice.runs import FlowRun, PrefectRuns

_PAGE = 200
_POLL_SECONDS = 1.0
# Prefect's handler sends lines in batches, so one may come after a later one: what is younger is asked for again.
_LATE = timedelta(seconds=10)
# How long lines are waited for after the end of the run.
_AFTER_SECONDS = 3.0


def find_run(prefect: PrefectRuns, which: str) -> FlowRun:
    """The run with this id, or the newest with this name.

    Raises:
        RunNotFoundError: there is none.
    """
    if is_id(which):
        return prefect.read(which)
    query = {"flow_runs": {"name": {"any_": [which]}}, "sort": "EXPECTED_START_TIME_DESC", "limit": 1}
    found = prefect.request("POST", "/flow_runs/filter", query)
    if not found:
        raise RunNotFoundError(run=which)
    return FlowRun.model_validate(found[0])


class RunLog:
    """Reads and follows one run's log. ``service`` of a line is the name of its run."""

    def __init__(self, prefect: PrefectRuns, run: FlowRun) -> None:
        self._prefect = prefect
        self.run = run
        self._names = {run.id: run.name}
        # Ids of what was given, with their times: those older than `_LATE` are forgotten.
        self._given: dict[str, datetime] = {}

    def last(self, wanted: LogFilter, limit: int) -> list[LogLine]:
        """The newest lines that are wanted, the oldest of them first."""
        self._find_stages()
        lines: list[LogLine] = []
        newest = None
        for record in self._records(wanted, "TIMESTAMP_DESC", None):
            line = self._line(record)
            newest = newest or line.at
            if len(lines) == limit:
                break
            if wanted.takes(line):
                lines.append(line)
        if newest is not None:
            late = self._records(wanted, "TIMESTAMP_ASC", newest - _LATE)
            self._given = {record["id"]: self._line(record).at for record in late}
        return lines[::-1]

    def follow(self, wanted: LogFilter) -> Iterator[LogLine]:
        """What comes after `last`, until the run is over."""
        ended = 0.0
        while not ended or time.monotonic() < ended + _AFTER_SECONDS:
            time.sleep(_POLL_SECONDS)
            self.run = self._prefect.read(self.run.id)
            self._names[self.run.id] = self.run.name
            if self.run.final and not ended:
                ended = time.monotonic()
            self._find_stages()
            for record in self._records(wanted, "TIMESTAMP_ASC", self._since()):
                if record["id"] in self._given:
                    continue
                line = self._line(record)
                self._given[record["id"]] = line.at
                if wanted.takes(line):
                    yield line

    def _since(self) -> datetime | None:
        if not self._given:
            return None
        since = max(self._given.values()) - _LATE
        self._given = {identity: at for identity, at in self._given.items() if at >= since}
        return since

    def _find_stages(self) -> None:
        """Runs that these have started, and those that they did."""
        new = list(self._names)
        while new:
            found = self._prefect.every("/flow_runs/filter", {"flow_runs": {"parent_flow_run_id": {"any_": new}}})
            # A run gets its name when it begins; until then Prefect has made one up.
            stages = {run["id"]: run["name"] for run in found}
            new = [run for run in stages if run not in self._names]
            self._names |= stages

    def _records(self, wanted: LogFilter, sort: str, since: datetime | None) -> Iterator[dict[str, Any]]:
        logs: dict[str, Any] = {"flow_run_id": {"any_": list(self._names)}}
        if wanted.level:
            logs["level"] = {"ge_": LEVELS[wanted.level.upper()]}
        if after := max(filter(None, (since, wanted.since)), default=None):
            logs["timestamp"] = {"after_": after.isoformat()}
        offset, seen = 0, set[str]()
        while True:
            query = {"logs": logs, "sort": sort, "limit": _PAGE, "offset": offset}
            page = self._prefect.request("POST", "/logs/filter", query)
            # What is written meanwhile moves lines from one page to the next.
            yield from (record for record in page if record["id"] not in seen)
            seen |= {record["id"] for record in page}
            offset += len(page)
            if len(page) < _PAGE:
                return

    def _line(self, record: dict[str, Any]) -> LogLine:
        names = [name for name, number in LEVELS.items() if number <= record["level"]]
        return LogLine(
            at=datetime.fromisoformat(record["timestamp"]),
            level=names[-1] if names else "TRACE",
            service=self._names.get(record["flow_run_id"], ""),
            message=cleaned(record["message"]),
            logger=record["name"],
            context={"run": record["flow_run_id"], "task": record.get("task_run_id")},
        )
