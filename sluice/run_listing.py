"""The table of runs, page by page: Prefect's, and where it ends those that it has forgotten."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from loguru import logger

from sluice.errors import ServiceUnavailableError
from sluice.forgotten_runs import ForgottenRuns
from sluice.paging import Cursor, Position, first, rows
from sluice.run_filter import RunFilter
from sluice.run_names import RunNames
from sluice.run_summary import RunSummary
from sluice.runs import FlowRun, PrefectRuns

MOST_RUNS = 100
# Clocks differ by as much; a run that was just asked for is shown.
_AHEAD = timedelta(seconds=1)
_FORGOTTEN = "f"


class RunPage(NamedTuple):
    """``next`` is the cursor of the page after it; None where there is none."""

    runs: list[RunSummary]
    next: str | None


class RunListing:
    """Newest due time first. A page costs what is on it, however many runs there are."""

    def __init__(self, prefect: PrefectRuns, names: RunNames, forgotten: ForgottenRuns) -> None:
        self._prefect, self._names, self._forgotten = prefect, names, forgotten

    def page(self, wanted: RunFilter | None, cursor: str = "", limit: int = 50) -> RunPage:
        """At most ``limit`` runs, up to `MOST_RUNS`.

        Prefect makes the runs of schedules ahead; those to come are left out unless the filter has a state or an end.

        Raises:
            InputInvalidError: the cursor is none of ours.
            ServiceUnavailableError: Prefect does not answer. Without the document store there are only its runs.
        """
        after = Cursor.parse(cursor) if cursor else None
        if wanted is None:
            return RunPage([], None)
        if wanted.until is None and not wanted.states:
            wanted = wanted.model_copy(update={"until": datetime.now(UTC) + _AHEAD})
        limit = max(1, min(limit, MOST_RUNS))
        if after is not None and after.source == _FORGOTTEN:
            return self._older([], wanted, after.position, limit)
        found, more = self._known(wanted, after.position if after else None, limit)
        runs = self._names.summaries(found)
        if more:
            return RunPage(runs, str(Cursor(_position(found[-1]))))
        last = _position(found[-1]) if found else after and after.position
        return self._older(runs, wanted, last, limit)

    def _known(self, wanted: RunFilter, after: Position | None, limit: int) -> tuple[list[FlowRun], bool]:
        query = {**wanted.query(after and after.at), "sort": "EXPECTED_START_TIME_DESC"}
        # Enough for one question: the last page's last comes again, and one more says that there is more.
        found = map(FlowRun.model_validate, rows(self._prefect, "/flow_runs/filter", query, limit + 2))
        return first(found, _position, after, limit, newest=True)

    def _older(self, runs: list[RunSummary], wanted: RunFilter, after: Position | None, limit: int) -> RunPage:
        """The page filled up with forgotten runs."""
        room = limit - len(runs)
        try:
            older, more = self._forgotten.page(wanted, after, max(room, 1))
        except ServiceUnavailableError as error:
            logger.warning("Runs that Prefect has forgotten are not listed: {}", error)
            return RunPage(runs, None)
        if room == 0:  # it was only to be seen whether there are any
            return RunPage(runs, str(Cursor(after, _FORGOTTEN)) if older and after else None)
        page = [*runs, *(RunSummary.model_validate(run.model_dump()) for run in older)]
        return RunPage(page, str(Cursor(Position(older[-1].due, older[-1].id), _FORGOTTEN)) if more else None)


def _position(run: FlowRun) -> Position:
    return Position(run.expected_start_time, run.id)
