"""All that is known of one run: its stages, its tasks, what it gave and what it shows."""

from collections import Counter
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from pydantic_core import from_json

from sluice.errors import RunNotFoundError
from sluice.forgotten_runs import ForgottenRuns
from sluice.run_names import RunNames
from sluice.run_summary import Artifact, Run, Stage
from sluice.runs import FlowRun, PrefectRuns, all_cached

# Of artifacts: what a flow gave, as `flows.result` writes it. Prefect keeps results where only its workers can read.
RESULT = "result"


class RunDetails:
    """Reads runs from Prefect, and those that it has forgotten from the document store."""

    def __init__(self, prefect: PrefectRuns, names: RunNames, forgotten: ForgottenRuns) -> None:
        self._prefect, self._names, self._forgotten = prefect, names, forgotten

    def read(self, run_id: str) -> Run:
        """
        Raises:
            RunNotFoundError: there is no such run, nor was there one as far as is remembered.
            ServiceUnavailableError: Prefect, or the document store where Prefect does not know the run.
        """
        try:
            return self.of(find(self._prefect, run_id))
        except RunNotFoundError:
            found = self._forgotten.read(run_id) if is_id(run_id) else None
            if found is None:
                raise
            return found

    def of(self, run: FlowRun) -> Run:
        """The details of a run that Prefect has."""
        children = _newest(self._prefect.children(run.id), again=run.run_count > 1)
        tasks = self._tasks([run.id, *(child.id for child in children)])
        unchanged = {
            id: all_cached((task["name"], task["state_type"], task["state_name"]) for task in of_run)
            for id, of_run in tasks.items()
        }
        stages = [self._stage(child, unchanged) for child in children]
        artifacts = self._artifacts([run.id, *(stage.run for stage in stages)])
        results = [one for one in artifacts if one.type == RESULT and one.run == run.id]
        return Run(
            **self._names.summary(run).model_dump(),
            parameters=run.parameters,
            stages=stages,
            unchanged=_all(stage.unchanged for stage in stages) if stages else unchanged.get(run.id),
            result=results[-1].data if results else None,
            # One without a type is Prefect's own note of where it put a result.
            artifacts=[one for one in artifacts if one.type not in {RESULT, None}],
            tasks=dict(Counter(task["state_name"] for of_run in tasks.values() for task in of_run)),
        )

    def _stage(self, child: FlowRun, unchanged: dict[str, bool | None]) -> Stage:
        return Stage(
            flow=self._prefect.flow_name(child.flow_id),
            run=child.id,
            state=child.state_name or "",
            state_type=child.state_type or "",
            message=child.message,
            started=child.start_time,
            ended=child.end_time if child.final else None,
            seconds=round(child.seconds, 3),
            unchanged=unchanged.get(child.id) if child.completed else None,
        )

    def _tasks(self, run_ids: list[str]) -> dict[str, list[dict[str, Any]]]:
        """By run. Those that only stand for a run that was started there are no tasks."""
        query = {"task_runs": {"flow_run_id": {"any_": run_ids}, "subflow_runs": {"exists_": False}}}
        found: dict[str, list[dict[str, Any]]] = {id: [] for id in run_ids}
        for task in self._prefect.every("/task_runs/filter", query):
            found[task["flow_run_id"]].append(task)
        return found

    def _artifacts(self, run_ids: list[str]) -> list[Artifact]:
        """Oldest first."""
        query = {"artifacts": {"flow_run_id": {"any_": run_ids}}}
        found = sorted(self._prefect.every("/artifacts/filter", query), key=lambda one: str(one["created"]))
        return [Artifact.model_validate({**one, "run": one["flow_run_id"], "data": _data(one)}) for one in found]


def find(prefect: PrefectRuns, run_id: str) -> FlowRun:
    """A run of Prefect's, by an id that a stranger gave.

    Raises:
        RunNotFoundError: also for what cannot be an id.
    """
    if not is_id(run_id):
        raise RunNotFoundError(run=run_id)
    return prefect.read(run_id)


def is_id(text: str) -> bool:
    """Whether a run can have it: nothing else gets into a path of Prefect's API."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _newest(children: list[FlowRun], *, again: bool) -> list[FlowRun]:
    """Of a run that was tried again the newest run of each flow; the ones before are what was tried before."""
    in_order = sorted(children, key=lambda child: child.created)
    return list({child.flow_id if again else child.id: child for child in in_order}.values())


def _all(parts: Iterable[bool | None]) -> bool | None:
    known = list(parts)
    return None if None in known else all(known)


def _data(artifact: dict[str, Any]) -> Any:
    """Tables and results are JSON in a text."""
    data = artifact["data"]
    if artifact["type"] not in {RESULT, "table"} or not isinstance(data, str):
        return data
    try:
        return from_json(data)
    except ValueError:
        return data
