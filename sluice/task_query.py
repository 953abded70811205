"""Which tasks are meant, as the document store's filter."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sluice.errors import InputInvalidError
from sluice.run_filter import TYPES


class TaskQuery(NamedTuple):
    """Which tasks. What is empty or None does not matter.

    Attributes:
        name: ``flow.task``, or a task's name in whatever flow.
        states: types (``failed``), or names (``Cached``).
        runs: ids; a task of any of them.
        worker: a Dask worker's address, or a host.
    """

    name: str = ""
    states: Sequence[str] = ()
    runs: Sequence[str] = ()
    deployment: str = ""
    worker: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def filter(self) -> dict[str, Any]:
        """For the document store.

        Raises:
            InputInvalidError: types and names of states are mixed; the store has no «or».
        """
        found: dict[str, Any] = {}
        if self.name:
            found["name" if "." in self.name else "task"] = self.name
        types = [state.upper() for state in self.states if state.upper() in TYPES]
        if types and len(types) < len(self.states):
            problem = f"{', '.join(self.states)}: give types ({', '.join(sorted(TYPES)).lower()}), or names, not both."
            raise InputInvalidError(field="state", problem=problem)
        if self.states:
            found["state_type" if types else "state"] = _any(types or self.states)
        if self.runs:
            found["run"] = _any(self.runs)
        if self.deployment:
            found["deployment"] = self.deployment
        if self.worker:
            found["worker" if "://" in self.worker else "host"] = self.worker
        between = {operator: at for operator, at in (("$gte", self.since), ("$lt", self.until)) if at is not None}
        return {**found, "received": between} if between else found

    def holds(self, moment: datetime) -> bool:
        """Whether a task that was received then may be meant."""
        early = self.since is not None and moment < self.since
        late = self.until is not None and moment >= self.until
        return not early and not late


def _any(values: Sequence[str]) -> Any:
    return {"$in": list(values)} if len(values) > 1 else values[0]
