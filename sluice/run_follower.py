"""A run that goes on: what has changed since the last look, with the lines of its log, until the last one is out."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sluice.paging import Position
from sluice.run_details import find
from sluice.run_logs import LogLine, RunLogs
from sluice.run_names import RunNames
from sluice.run_summary import RunSummary
from sluice.runs import FlowRun, PrefectRuns

MOST_AT_ONCE = 400
# Processes send their lines in batches, each at its own time: a line may come after younger ones of others.
OVERLAP = timedelta(seconds=10)
# The last batches come after the final state.
QUIET_LOOKS = 3
# The stages of a run that was cancelled are ended some time after it; one that hangs is not waited for for ever.
PATIENT_LOOKS = 45
_LONG_OVER = timedelta(seconds=30)


class Look(NamedTuple):
    """``run`` is None where it is as it was; ``stages`` are those that have changed; after ``over`` comes no more.

    ``behind``: there are more lines already, so the next look need not wait.
    """

    run: RunSummary | None
    stages: list[RunSummary]
    lines: list[LogLine]
    over: bool
    behind: bool


class RunFollower:
    """Looks at one run, again and again.

    Args:
        run: as it was read.
        level: least level of the lines.
        after: give lines after this one only.
    """

    def __init__(
        self, prefect: PrefectRuns, names: RunNames, run: FlowRun, level: int = 0, after: Position | None = None
    ) -> None:
        self._prefect, self._names, self._logs = prefect, names, RunLogs(prefect)
        self._id, self._level, self._after = run.id, level, after
        self._from = after and after.at
        self._known: dict[str, tuple[object, ...]] = {}
        self._seen: dict[str, datetime] = {}
        self._quiet = 0

    def look(self) -> Look:
        """
        Raises:
            RunNotFoundError: somebody deleted it.
            ServiceUnavailableError: Prefect does not answer; the next look gives what this one would have.
        """
        # The run before its lines: what was said before it ended is there when it is seen to have ended.
        run = find(self._prefect, self._id)
        children = self._prefect.children(run.id)
        found = self._logs.since([run.id, *(child.id for child in children)], self._level, self._from, MOST_AT_ONCE)
        told = self._names.summaries([run, *children])
        # From here on nothing can fail, or what is noted as told never would be.
        lines = [line for line in found if self._is_new(line)]
        self._move_on(found)
        behind = len(found) == MOST_AT_ONCE
        self._quiet = self._quiet + 1 if run.final and not lines and not behind else 0
        enough = _quiet_enough(run, children)
        changed = [one for one in told if self._changed(one)]
        return Look(
            run=next((one for one in changed if one.id == run.id), None),
            stages=[one for one in changed if one.id != run.id],
            lines=sorted(lines, key=lambda line: line.position),
            over=self._quiet >= enough,
            behind=behind,
        )

    def _is_new(self, line: LogLine) -> bool:
        if line.id in self._seen or (self._after is not None and line.position <= self._after):
            return False
        self._seen[line.id] = line.at
        return True

    def _move_on(self, found: list[LogLine]) -> None:
        """Where the next look begins: at the last line, or some time before it when there was nothing more."""
        if not found:
            return
        last = found[-1].at
        if len(found) < MOST_AT_ONCE:
            last -= OVERLAP
        elif last == found[0].at:
            last += timedelta(microseconds=1)  # so many lines of one time would be all that is ever seen
        self._from = last if self._from is None else max(last, self._from)
        self._seen = {id: at for id, at in self._seen.items() if at >= self._from}

    def _changed(self, run: RunSummary) -> bool:
        now = (run.state, run.state_type, run.message, run.started, run.ended)
        before = self._known.get(run.id)
        self._known[run.id] = now
        return now != before


def _quiet_enough(run: FlowRun, children: list[FlowRun]) -> int:
    """After how many looks without a line a run that is over has said all."""
    if not all(child.final for child in children):
        return PATIENT_LOOKS
    long_over = run.end_time is not None and datetime.now(UTC) - run.end_time > _LONG_OVER
    return 1 if long_over else QUIET_LOOKS
