"""A task run as the service, the command line and the archive tell of it: what Prefect knows, and what it does not.

Prefect has states and times. The arguments, the worker, the result and the error are noted by the flow that submits the
task and by the worker that runs it, in the collection `DETAILS` of the document store.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from sluice.run_summary import RunSummary
from sluice.runs import FINAL

DETAILS = "task_details"
# Of a task that no worker has begun: Prefect hears of it from the worker only. And of one that a worker has begun, but
# Prefect has not recorded, or not yet.
SUBMITTED, NEVER_BEGUN, UNRECORDED = "Submitted", "NeverBegun", "Unrecorded"
_SUFFIX = 3  # characters of the key that Prefect adds to a task's name


class TaskRun(BaseModel):
    """A line of the table of tasks."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    name: str = Field(description="flow.task; tasks are grouped by it")
    task: str = Field(description="its name within the flow")
    run: str = Field(description="the run that it belongs to")
    deployment: str | None = None
    flow: str = ""
    worker: str | None = Field(
        None, description="address of the Dask worker that ran it; null if it came from the cache"
    )
    host: str | None = Field(None, description="that worker's host")
    pid: int | None = Field(None, description="that worker's process")
    parent: str | None = Field(None, description="of the tasks whose results it took, the one submitted last")
    parents: list[str] = Field([], description="all of them")
    children: list[str] = Field([], description="the tasks that took its result")
    arguments: dict[str, str] = Field({}, description="as short text")
    state: str = Field(description="its name, such as Cached or TimedOut")
    state_type: str = Field(description="PENDING, RUNNING, SCHEDULED (to be tried again); final: as of a run")
    received: datetime = Field(description="when it was submitted; tasks are listed by it")
    started: datetime | None = None
    succeeded: datetime | None = None
    failed: datetime | None = None
    result: str | None = Field(None, description="as short text; of a cached task, null")
    error: str | None = None
    timestamp: datetime = Field(description="since when it is in this state")
    runtime: float | None = Field(None, description="seconds, of all its tries; until now, if it runs")
    retries: int = 0
    fan_out: int | None = Field(None, description="how many Dask tasks it made of its work")

    @property
    def final(self) -> bool:
        return self.state_type in FINAL


def task_runs(
    run: RunSummary, found: Iterable[Mapping[str, Any]], details: Mapping[str, Mapping[str, Any]]
) -> list[TaskRun]:
    """All tasks of one run, in the order of their submission.

    Args:
        found: the run's task runs as Prefect gives them.
        details: the run's documents of `DETAILS`, by task run.
    """
    # What stands for a run that this one started is a run, and no task.
    known = [one for one in found if not (one.get("state") or {}).get("state_details", {}).get("child_flow_run_id")]
    tasks = [_task(run, one, details.get(one["id"], {})) for one in known]
    waiting = details.keys() - {one.id for one in tasks}
    return _family(tasks + [_waiting(run, details[id]) for id in waiting])


def _task(run: RunSummary, found: Mapping[str, Any], detail: Mapping[str, Any]) -> TaskRun:
    state = found.get("state") or {}
    type_ = found.get("state_type") or "PENDING"
    ended = _moment(found.get("end_time"))
    begun = _moment(found.get("start_time"))
    task = _name(found)
    received = detail.get("submitted") or _moment(found.get("expected_start_time")) or _moment(found["created"])
    failed = type_ in FINAL and type_ != "COMPLETED"
    return TaskRun(
        **_common(run, task, detail),
        id=found["id"],
        parents=_inputs(found.get("task_inputs") or {}) or list(detail.get("parents", ())),
        state=found.get("state_name") or type_.capitalize(),
        state_type=type_,
        received=received,
        started=begun,
        succeeded=ended if type_ == "COMPLETED" else None,
        failed=ended or _moment(state.get("timestamp")) if failed else None,
        result=detail.get("result") if type_ == "COMPLETED" else None,
        error=(detail.get("error") or state.get("message")) if failed else None,
        timestamp=_moment(state.get("timestamp")) or received,
        runtime=_seconds(found) if begun else None,
        retries=max(0, int(found.get("run_count") or 0) - 1),
    )


def _waiting(run: RunSummary, detail: Mapping[str, Any]) -> TaskRun:
    """A task that Prefect has not heard of; when its run is over it seldom will."""
    state, type_, error = SUBMITTED, "PENDING", None
    if over := run.state_type in FINAL:
        state, type_, error = NEVER_BEGUN, "CANCELLED", "Its run was over before a worker began it."
        if detail.get("began"):
            state, type_, error = UNRECORDED, "CRASHED", "A worker began it, and Prefect has no record of how it ended."
    submitted: datetime = detail.get("submitted") or run.created
    ended = run.ended if over else None
    return TaskRun(
        **_common(run, str(detail.get("name", "?")), detail),
        id=detail["id"],
        parents=list(detail.get("parents", ())),
        state=state,
        state_type=type_,
        received=submitted,
        started=detail.get("began"),
        failed=ended,
        error=error,
        timestamp=ended or submitted,
    )


def _common(run: RunSummary, task: str, detail: Mapping[str, Any]) -> dict[str, Any]:
    noted = {name: detail.get(name) for name in ("worker", "host", "pid", "fan_out")}
    # What a worker was given; until then, what the flow has submitted.
    arguments = dict(detail.get("arguments") or detail.get("given") or {})
    return {
        **noted,
        "arguments": arguments,
        "name": f"{run.flow}.{task}",
        "task": task,
        "run": run.id,
        "deployment": run.deployment,
        "flow": run.flow,
    }


def _name(found: Mapping[str, Any]) -> str:
    """Prefect adds a part of a random key to the names of the tasks of one run."""
    return str(found["name"]).removesuffix(f"-{str(found.get('dynamic_key', ''))[:_SUFFIX]}")


def _inputs(inputs: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """The task runs that it took results of, and one that called it."""
    found = [one["id"] for given in inputs.values() for one in given if one.get("input_type") == "task_run"]
    return list(dict.fromkeys(found))


def _family(tasks: list[TaskRun]) -> list[TaskRun]:
    """With parents in the order of their submission, and children."""
    tasks.sort(key=lambda task: (task.received, task.id))
    place = {task.id: number for number, task in enumerate(tasks)}
    children: dict[str, list[str]] = {}
    for task in tasks:
        for id in task.parents:
            children.setdefault(id, []).append(task.id)
    related = []
    for task in tasks:
        parents = sorted(task.parents, key=lambda id: place.get(id, -1))
        parent = parents[-1] if parents else None
        update = {"parents": parents, "parent": parent, "children": children.get(task.id, [])}
        related.append(task.model_copy(update=update))
    return related


def _seconds(found: Mapping[str, Any]) -> float:
    running = found.get("state_type") == "RUNNING"
    return round(float(found.get("estimated_run_time" if running else "total_run_time") or 0.0), 3)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
