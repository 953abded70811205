"""Runs that Prefect has forgotten: its vacuum removes old ones, the document store's copies of them stay.

The collection `RUNS` has a document for each finished run, with the fields of `sluice.run_summary.Run`.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any

from sluice.documents import DocumentStore
from sluice.paging import Position, first
from sluice.run_filter import RunFilter
from sluice.run_summary import Run
from sluice.runs import PrefectRuns

RUNS = "runs"
_AT_ONCE = 100
_NEWEST = [("due", -1), ("id", -1)]


class ForgottenRuns:
    """``documents`` gives the store when it is needed; it may connect."""

    def __init__(self, prefect: PrefectRuns, documents: Callable[[], DocumentStore]) -> None:
        self._prefect, self._documents = prefect, documents

    def read(self, run_id: str) -> Run | None:
        """
        Raises:
            ServiceUnavailableError: the document store does not answer.
        """
        found = self._documents().find_one(RUNS, {"id": run_id})
        return None if found is None else _run(found)

    def page(self, wanted: RunFilter, after: Position | None, limit: int) -> tuple[list[Run], bool]:
        """The next of those that Prefect does not have, newest first, and whether there are more.

        Raises:
            ServiceUnavailableError: the document store or Prefect does not answer.
        """
        return first(self._forgotten(wanted, after), position, after, limit, newest=True)

    def _forgotten(self, wanted: RunFilter, after: Position | None) -> Iterator[Run]:
        """Newest first. The copies of runs that Prefect still has are passed over: it knows more of them."""
        while copies := self._copies(wanted, after):
            kept = self._kept(run.id for run in copies)
            yield from (run for run in copies if run.id not in kept)
            if len(copies) < _AT_ONCE:
                return
            after = position(copies[-1])

    def _copies(self, wanted: RunFilter, after: Position | None) -> list[Run]:
        store = self._documents()
        found = [
            document
            for filter in wanted.documents(after)
            for document in store.find(RUNS, filter, sort=_NEWEST, limit=_AT_ONCE)
        ]
        runs = sorted(map(_run, found), key=position, reverse=True)
        return [next(same) for _, same in groupby(runs, key=position)][:_AT_ONCE]

    def _kept(self, run_ids: Iterable[str]) -> set[str]:
        query = {"flow_runs": {"id": {"any_": list(run_ids)}}, "limit": _AT_ONCE}
        return {run["id"] for run in self._prefect.request("POST", "/flow_runs/filter", query)}


def position(run: Run) -> Position:
    return Position(run.due, run.id)


def _run(document: dict[str, Any]) -> Run:
    # A link into Prefect would lead nowhere.
    return Run.model_validate({**document, "links": {}})
