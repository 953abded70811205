"""Which runs are meant, as Prefect's filters and as the document store's."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from sluice.documents import Filter
from sluice.errors import InputInvalidError
from sluice.paging import Position

TYPES = frozenset(
    {"SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING", "COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
)
# As a parent: runs that no other run started.
NONE = "none"


class RunFilter(BaseModel):
    """Runs that match all of it. Times are those at which runs are due, both ends included."""

    model_config = ConfigDict(frozen=True)

    flow: str | None = None
    use_case: str | None = None
    states: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    parent: str | None = None

    @classmethod
    def of(cls, deployment: str | None, flow: str | None, use_case: str | None, **others: Any) -> "RunFilter | None":
        """None where nothing can match: of another flow or use case than the deployment's.

        Raises:
            InputInvalidError: the deployment is not named as ``flow/use_case``.
        """
        if deployment:
            its_flow, slash, its_use_case = deployment.partition("/")
            if not (slash and its_flow and its_use_case):
                problem = f"{deployment!r} is not FLOW/USE_CASE, such as pipeline/movies."
                raise InputInvalidError(field="deployment", problem=problem)
            if (flow or its_flow, use_case or its_use_case) != (its_flow, its_use_case):
                return None
            flow, use_case = its_flow, its_use_case
        return cls(flow=flow or None, use_case=use_case or None, **others)

    @property
    def types(self) -> list[str]:
        """The states that are types: one of them has runs of several names, as SCHEDULED has Late ones."""
        return [state.upper() for state in self.states if state.upper() in TYPES]

    @property
    def names(self) -> list[str]:
        return [state for state in self.states if state.upper() not in TYPES]

    def query(self, before: datetime | None = None) -> dict[str, Any]:
        """For Prefect's ``/flow_runs/filter``; ``before`` is the time of the last page's last."""
        runs: dict[str, Any] = {}
        ends = [end for end in (self.until, before) if end is not None]
        due = {"after_": self.since and self.since.isoformat(), "before_": min(ends).isoformat() if ends else None}
        if any(due.values()):
            runs["expected_start_time"] = {name: moment for name, moment in due.items() if moment}
        state = {"type": {"any_": self.types}, "name": {"any_": self.names}}
        if self.states:
            runs["state"] = {"operator": "or_"} | {name: kind for name, kind in state.items() if kind["any_"]}
        if self.parent == NONE:
            runs["parent_task_run_id"] = {"is_null_": True}
        elif self.parent:
            runs["parent_flow_run_id"] = {"any_": [self.parent]}
        named = {"flows": self.flow, "deployments": self.use_case}
        wanted = {kind: {"name": {"any_": [name]}} for kind, name in named.items() if name}
        return {"flow_runs": runs, **wanted}

    def documents(self, after: Position | None) -> list[Filter]:
        """For the collection of finished runs: filters of which one must match, after a position, newest first."""
        same: dict[str, Any] = {name: getattr(self, name) for name in ("flow", "use_case") if getattr(self, name)}
        if self.parent:
            same["parent"] = None if self.parent == NONE else self.parent
        kinds = {"state_type": self.types, "state": self.names}
        states = [{name: {"$in": wanted}} for name, wanted in kinds.items() if wanted] or [{}]
        return [{**same, **state, **place} for state in states for place in self._places(after)]

    def _places(self, after: Position | None) -> list[dict[str, Any]]:
        """Two, since one filter cannot say: earlier, or as early with a smaller id."""
        ends = {"$gte": self.since, "$lte": self.until, "$lt": after and after.at}
        due = {operator: end for operator, end in ends.items() if end is not None}
        places: list[dict[str, Any]] = [{"due": due} if due else {}]
        if after is not None:
            places.append({"due": {"$gte": after.at, "$lte": after.at}, "id": {"$lt": after.id}})
        return places
