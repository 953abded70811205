"""Runs and tasks as if they had been, in the database of a stack's Prefect: ``python -m benchmarks.prefect_seed``.

Written through Prefect's own tables, in a process of the stack: over HTTP it would take an hour. A run in five is a
pipeline, the others are its stages, with five tasks each. They ended within the last days, evenly.

Of the tasks, what flows and workers note beside Prefect is written into the document store too.
"""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import sqlalchemy as sa
from prefect.server.database import provide_database_interface
from prefect.server.schemas.core import TaskRunResult
from prefect.server.schemas.states import StateDetails

from benchmarks.peer import serve
from sluice.documents import open_documents
from sluice.settings import Settings
from sluice.task_runs import DETAILS

DAYS = 6
TASKS = {
    "ingest": ("plan", "read", "validate", "quarantine", "write"),
    "features": ("plan", "build", "stage", "compare", "commit"),
    "train": ("plan", "split", "search", "fit", "log"),
    "evaluate": ("plan", "score", "baseline", "judge", "decide"),
}
_ROWS_AT_ONCE = 500
# The states that one in so many tasks has, in place of Completed.
_FAILED, _CACHED = 50, 7


class Seeded(NamedTuple):
    """What was written. ``tasks`` without those that stand for a stage in its pipeline."""

    runs: int
    tasks: int


class _Rows:
    """Rows by table, as they come."""

    def __init__(self) -> None:
        self.flow_runs: list[dict[str, Any]] = []
        self.flow_states: list[dict[str, Any]] = []
        self.task_runs: list[dict[str, Any]] = []
        self.task_states: list[dict[str, Any]] = []
        self.details: list[dict[str, Any]] = []

    def run(self, ids: dict[str, Any], flow: str, began: datetime, seconds: float, state: str) -> UUID:
        run, details = uuid4(), StateDetails()
        row, said = _ended(run, began, seconds, state, details)
        parent = ids.get("parent")
        parameters = {"use_case": "movies"}
        self.flow_runs.append(
            {**row, **ids["of"][flow], "name": f"{flow}-movies", "parameters": parameters, "parent_task_run_id": parent}
        )
        self.flow_states.append({**said, "flow_run_id": run})
        return run

    def task(
        self, run: UUID, name: str, began: datetime, seconds: float, state: str, parents: Sequence[UUID] = ()
    ) -> UUID:
        task, key = uuid4(), uuid4().hex
        row, said = _ended(task, began, seconds, state, StateDetails(flow_run_id=run, task_run_id=task))
        inputs = {f"input_{number}": [TaskRunResult(id=parent)] for number, parent in enumerate(parents)}
        of = {"flow_run_id": run, "task_key": f"{name}-0", "dynamic_key": key, "task_inputs": inputs}
        self.task_runs.append({**row, **of, "name": f"{name}-{key[:3]}"})
        self.task_states.append({**said, "task_run_id": task})
        return task


def seed(runs: int) -> Seeded:
    """Add about so many runs, four tasks for each.

    Raises:
        RuntimeError: Prefect does not have the deployments of movies yet.
    """
    return asyncio.run(_seed(runs))


async def _seed(runs: int) -> Seeded:
    db = await asyncio.to_thread(provide_database_interface)
    async with db.session_context() as session:
        found = await session.execute(
            sa.select(db.Flow.name, db.Flow.id, db.Deployment.id)
            .join(db.Deployment, db.Deployment.flow_id == db.Flow.id)
            .where(db.Deployment.name == "movies")
        )
        of = {name: {"flow_id": flow, "deployment_id": deployment} for name, flow, deployment in found}
    if not {"pipeline", *TASKS} <= of.keys():
        raise RuntimeError("Prefect does not have the deployments of movies. Register them: sluice deploy")
    rows = _rows(of, runs)
    # States before what names them, and pipelines with what stands for their stages before these.
    for table, content in (
        (db.FlowRun, [{**row, "state_id": None, "parent_task_run_id": None} for row in rows.flow_runs]),
        (db.FlowRunState, rows.flow_states),
        (db.TaskRun, rows.task_runs),
        (db.TaskRunState, rows.task_states),
    ):
        for some in _batches(content):
            async with db.session_context(begin_transaction=True) as session:
                await session.execute(sa.insert(table), some)
    for some in _batches(rows.flow_runs):
        async with db.session_context(begin_transaction=True) as session:
            # With the time: the one that Prefect would set cannot be set for many at once.
            names = ("id", "state_id", "parent_task_run_id", "updated")
            known = [{name: row[name] for name in names} for row in some]
            await session.execute(sa.update(db.FlowRun), known)
    documents = open_documents(Settings.load())
    documents.insert(DETAILS, rows.details)
    documents.close()
    return Seeded(len(rows.flow_runs), len(rows.details))


def _rows(of: dict[str, Any], runs: int) -> _Rows:
    rows = _Rows()
    pipelines = max(1, runs // (len(TASKS) + 1))
    first = datetime.now(UTC) - timedelta(days=DAYS)
    for number in range(pipelines):
        began = first + number * timedelta(days=DAYS) / (pipelines + 1)
        pipeline = rows.run({"of": of}, "pipeline", began, 60, "Completed")
        for place, (flow, names) in enumerate(TASKS.items()):
            start = began + timedelta(seconds=15 * place)
            stands = rows.task(pipeline, flow, start, 14, "Completed")
            stage = rows.run({"of": of, "parent": stands}, flow, start, 14, "Completed")
            before: list[UUID] = []
            for step, (name, state) in enumerate(zip(names, _states(number), strict=False)):
                submitted = start + timedelta(seconds=2 * step)
                task = rows.task(stage, name, submitted, 1 + number % 10 / 10, state, before[-2:])
                before.append(task)
                rows.details.append(_detail(task, stage, name, submitted, number))
    # What stands for a stage names it, as Prefect notes it.
    stages = {row["parent_task_run_id"]: row["id"] for row in rows.flow_runs if row["parent_task_run_id"]}
    for said in rows.task_states:
        if said["task_run_id"] in stages:
            said["state_details"].child_flow_run_id = stages[said["task_run_id"]]
    return rows


def _states(number: int) -> Iterator[str]:
    for step in range(len(max(TASKS.values(), key=len))):
        one = number * 5 + step
        yield "Failed" if one % _FAILED == 0 else "Cached" if one % _CACHED == 0 else "Completed"


def _detail(task: UUID, run: UUID, name: str, began: datetime, number: int) -> dict[str, Any]:
    worker = 40_000 + number % 4
    return {
        "id": str(task),
        "run": str(run),
        "name": name,
        "submitted": began,
        "parents": [],
        "arguments": {"plan": f"of movies on raw/movies@{number}; key {task.hex[:24]}", "parts": "features/movies@3"},
        "worker": f"tcp://127.0.0.1:{worker}",
        "host": "127.0.0.1",
        "pid": worker,
        "began": began,
        "ended": began + timedelta(seconds=1),
        "result": f"movies@{number}",
        "error": None,
    }


def _ended(
    id: UUID, began: datetime, seconds: float, state: str, details: StateDetails
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A row of a run and the one of its last state."""
    ended = began + timedelta(seconds=seconds)
    kind = "FAILED" if state == "Failed" else "COMPLETED"
    said = {"id": uuid4(), "type": kind, "name": state, "timestamp": ended, "message": None, "state_details": details}
    row = {
        "id": id,
        "state_id": said["id"],
        "state_type": kind,
        "state_name": state,
        "state_timestamp": ended,
        "run_count": 1,
        "expected_start_time": began,
        "start_time": began,
        "end_time": ended,
        "total_run_time": timedelta(seconds=seconds),
        "created": began,
        "updated": ended,
    }
    return row, said


def _batches(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        yield rows[start : start + _ROWS_AT_ONCE]


def _answer(runs: int) -> dict[str, int]:
    return seed(runs)._asdict()


if __name__ == "__main__":
    serve(_answer)
