"""Reading what runs and tasks there are, on a stack that has 5,000 runs and 20,000 task runs behind it."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import httpx

from benchmarks.bench import Bench
from benchmarks.bench_stack import BenchStack
from benchmarks.prefect_seed import DAYS
from benchmarks.result import Result, Table, Target
from benchmarks.spread import Spread
from serving.console.policy import HOME
from serving.console.routes import PAGES
from sluice.archive import Archive
from sluice.documents import open_documents
from sluice.forgotten_runs import RUNS

TITLE = "Operate: reading runs, tasks and workers with 5,000 runs and 20,000 task runs in Prefect's database"
_RUNS, _QUICK_RUNS = 5_000, 250
_TIMES = 30
# What is asked for, by what it is called in the table.
ASKED = {
    "GET /runs": "/runs",
    "GET /runs, of a use case": "/runs?use_case=movies&flow=train",
    "GET /runs/{id}": "/runs/{run}",
    "GET /tasks": "/tasks",
    "GET /tasks, of a name": "/tasks?name=train.fit",
    "GET /tasks, failed": "/tasks?state=failed",
    "GET /tasks, of a run": "/tasks?run={run}",
    "GET /tasks, 1,000 as CSV": "/tasks?limit=1000&format=csv",
    "GET /tasks, the 50th page": "/tasks?cursor={cursor}",
    "GET /tasks/names": "/tasks/names",
    "GET /tasks/{id}": "/tasks/{task}",
    "GET /workers": "/workers",
    **{f"the page {title}": f"{HOME}{path}" for path, _, title in PAGES},
}
_BOUND_SECONDS = 0.3


def run(bench: Bench) -> Result:
    stack = bench.stack()
    wanted = _QUICK_RUNS if bench.quick else _RUNS
    with stack.peer("benchmarks.prefect_seed") as seeder:
        seeded = seeder.ask(runs=wanted)
    bench.say(f"{seeded['runs']:,} runs and {seeded['tasks']:,} task runs are in Prefect's database")
    copying = _archived(stack, seeded["runs"])
    bench.say(f"They were in the archive after {copying:.0f} s")
    measured = _measure(stack)
    return Result(
        benchmark="operate",
        title=TITLE,
        quick=bench.quick,
        tables=[
            Table(
                title="Milliseconds for an answer, one question at a time",
                columns=["asked", "median (lowest to highest)"],
                rows=[[name, _milliseconds(spread)] for name, spread in measured.items()],
            ),
            Table(
                title="The exporter's first look at such a server",
                columns=["runs", "task runs", "s"],
                rows=[[seeded["runs"], seeded["tasks"], copying]],
            ),
        ],
        targets=[
            Target(name=name, measured=spread.median, below=_BOUND_SECONDS, unit=" s")
            for name, spread in measured.items()
        ],
        notes=["A page comes without its data, which its scripts ask of the routes above."],
    )


def _archived(stack: BenchStack, runs: int) -> float:
    """Seconds until the exporter has copied all: the seeded runs ended before it looked last, so it is sent back."""
    documents = open_documents(stack.settings)
    begun, known = time.monotonic(), -1
    while (now := documents.count(RUNS)) < runs:
        if now == known:
            Archive(documents).set_copied_until(datetime.now(UTC) - timedelta(days=DAYS + 1))
        known = now
        time.sleep(10)
    documents.close()
    return time.monotonic() - begun


def _measure(stack: BenchStack) -> dict[str, Spread]:
    with httpx.Client(base_url=stack.record.serving_url, timeout=60, trust_env=False) as client:
        known = _known(client)
        return {
            name: Spread.of(_seconds(client, asked.format(**known)) for _ in range(_TIMES))
            for name, asked in ASKED.items()
        }


def _known(client: httpx.Client) -> Mapping[str, str]:
    """What the questions need: a run of a stage, a task, and the cursor of a page that is far down."""
    cursor = ""
    for _ in range(49):
        page = client.get("/tasks", params={"cursor": cursor}).json()
        if page["next"] is None:
            break
        cursor = page["next"]
    task = client.get("/tasks").json()["tasks"][0]
    # What the pages call a run, a task or a model.
    return {"run": task["run"], "task": task["id"], "cursor": cursor, "id": task["id"], "name": "movies"}


def _seconds(client: httpx.Client, path: str) -> float:
    begun = time.perf_counter()
    client.get(path).raise_for_status()
    return time.perf_counter() - begun


def _milliseconds(spread: Spread) -> str:
    return f"{spread.median * 1e3:.0f} ({spread.lowest * 1e3:.0f} to {spread.highest * 1e3:.0f})"
