"""The names of what runs belong to: their deployment, their flow, the run that started them. They are remembered."""

from collections.abc import Iterable
from typing import Any

from sluice.run_summary import RunSummary
from sluice.runs import FlowRun, PrefectRuns
from sluice.settings import Settings

_MOST_PARENTS = 20_000
_AT_ONCE = 200


class RunNames:
    """Of one Prefect server. Threads may share it."""

    def __init__(self, prefect: PrefectRuns, ui: str) -> None:
        self._prefect, self._ui = prefect, ui
        self._deployments: dict[str, str | None] = {}
        self._parents: dict[str, str] = {}

    @classmethod
    def of(cls, prefect: PrefectRuns, settings: Settings) -> "RunNames":
        return cls(prefect, settings.prefect.pages)

    def summaries(self, runs: Iterable[FlowRun]) -> list[RunSummary]:
        """In the same order.

        Raises:
            ServiceUnavailableError: Prefect does not answer.
        """
        found = list(runs)
        self._find_parents({run.parent_task_run_id for run in found if run.parent_task_run_id})
        return [RunSummary.model_validate(self._fields(run)) for run in found]

    def summary(self, run: FlowRun) -> RunSummary:
        return self.summaries([run])[0]

    def link(self, run_id: str) -> str:
        return f"{self._ui}/runs/flow-run/{run_id}"

    def _fields(self, run: FlowRun) -> dict[str, Any]:
        deployment = self._deployment(run.deployment_id) if run.deployment_id else None
        return {
            "id": run.id,
            "name": run.name,
            "deployment": deployment,
            "flow": self._prefect.flow_name(run.flow_id),
            "use_case": run.use_case or (deployment or "").partition("/")[2],
            "state": run.state_name or "",
            "state_type": run.state_type or "",
            "message": run.message,
            "created": run.created,
            "due": run.expected_start_time,
            "started": run.start_time,
            "ended": run.end_time if run.final else None,
            "seconds": round(run.seconds, 3),
            "tags": sorted(run.tags),
            "parent": self._parents.get(run.parent_task_run_id or ""),
            "links": {"prefect": self.link(run.id)},
        }

    def _deployment(self, id: str) -> str | None:
        """None for one that was deleted."""
        if id not in self._deployments:
            for found in self._prefect.every("/deployments/filter"):
                self._deployments[found["id"]] = f"{self._prefect.flow_name(found['flow_id'])}/{found['name']}"
        return self._deployments.setdefault(id, None)

    def _find_parents(self, task_runs: set[str]) -> None:
        """A run that another one started has a task run there that stands for it."""
        unknown = sorted(task_runs - self._parents.keys())
        if len(self._parents) > _MOST_PARENTS:
            self._parents = {}
            unknown = sorted(task_runs)
        for start in range(0, len(unknown), _AT_ONCE):
            query = {"task_runs": {"id": {"any_": unknown[start : start + _AT_ONCE]}}}
            for task in self._prefect.every("/task_runs/filter", query):
                if task["flow_run_id"]:
                    self._parents[task["id"]] = task["flow_run_id"]
