"""`sluice tasks` and `sluice workers`: what is done, by whom, and what came of it."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from datetime import datetime

    from sluice.task_query import TaskQuery
    from sluice.task_runs import TaskRun

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for a script.")]
_SHOWN_CHARACTERS = 60


def add_to(app: typer.Typer) -> None:
    for command in (tasks, workers):
        app.command(rich_help_panel="Use cases")(command)


def tasks(
    name: Annotated[str, typer.Option(help="FLOW.TASK, or a task's name in any flow.", metavar="NAME")] = "",
    state: Annotated[
        str, typer.Option(help="failed,crashed, running, …, or a name such as Cached.", metavar="STATE")
    ] = "",
    run: Annotated[str, typer.Option(help="A run's id; the tasks of its stages too.", metavar="RUN")] = "",
    since: Annotated[
        str, typer.Option(help="Those received in the last 30m, 2h, 7d, or since a time (ISO 8601).", metavar="WHEN")
    ] = "",
    limit: Annotated[int, typer.Option(help="At most so many, the newest.", min=1)] = 50,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, for a spreadsheet.")] = False,
) -> None:
    """List tasks, newest first: their state, worker, arguments and result.

    Those of finished runs stay for 90 days (SLUICE_RETENTION__RUNS_DAYS), longer
    than Prefect may keep them.

    [bold]Examples[/bold]

      sluice tasks
      sluice tasks --name train.fit --state failed --since 7d
      sluice tasks --csv --limit 1000 > tasks.csv
    """
    from deployments.terminal import console, print_json
    from sluice.task_query import TaskQuery
    from sluice.task_table import csv_of

    states = tuple(part for part in state.split(",") if part)
    query = TaskQuery(name=name, states=states, runs=(run,) if run else (), since=_moment(since))
    found = _listed(query, limit)
    if as_csv:
        typer.echo(csv_of(found), nl=False)
    elif as_json:
        print_json([task.model_dump(mode="json") for task in found])
    elif not found:
        console.print("There is no such task. A run makes some: sluice run movies")
    else:
        _print(found)


def workers(as_json: AsJson = False) -> None:
    """Show who works: Prefect's workers, which start runs, and Dask's, which run tasks.

    Exit code 1 if Prefect or Dask's scheduler does not answer.

    [bold]Examples[/bold]

      sluice workers
      sluice workers --json | jq '.dask[].tasks_in_hand'
    """
    from deployments.local.record import current_stack
    from deployments.terminal import console, print_json, titled_table
    from sluice.runs import PrefectRuns
    from sluice.workers import all_workers

    _, settings = current_stack()
    with PrefectRuns.of(settings.prefect) as prefect:
        found = all_workers(prefect, settings)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        table = titled_table("name", "pool", "host", "state", "last heartbeat (UTC)", "runs", title="Prefect")
        for worker in found.prefect:
            state, beat = worker.status.lower(), _time(worker.last_heartbeat)
            table.add_row(worker.name, worker.pool, worker.host or "", state, beat, str(worker.runs_in_hand))
        console.print(table)
        columns = ("address", "process", "threads", "memory", "cpu", "state", "last heartbeat (UTC)", "tasks", "done")
        table = titled_table(*columns, title="Dask")
        for one in found.dask:
            memory = f"{_gib(one.memory.used)} of {_gib(one.memory.limit)}"
            cpu = "" if one.cpu is None else f"{one.cpu:.0f} %"
            process, done = ("" if number is None else str(number) for number in (one.pid, one.tasks_done))
            state, beat = one.status, _time(one.last_heartbeat)
            table.add_row(
                one.address, process, str(one.threads), memory, cpu, state, beat, str(one.tasks_in_hand), done
            )
        console.print(table)
        if found.note:
            console.print(found.note, markup=False)
        for problem in found.problems:
            console.print(problem, style="red", markup=False)
    if found.problems:
        raise typer.Exit(1)


def _moment(text: str) -> "datetime | None":
    from sluice.errors import InputInvalidError
    from sluice.moment import moment

    try:
        return moment(text, "since") if text else None
    except InputInvalidError as error:
        raise typer.BadParameter(error.problem, param_hint="--since") from None


def _listed(query: "TaskQuery", limit: int) -> "list[TaskRun]":
    from deployments.local.record import current_stack
    from sluice.documents import open_documents
    from sluice.runs import PrefectRuns
    from sluice.task_listing import TaskListing

    _, settings = current_stack()
    documents = open_documents(settings)
    try:
        with PrefectRuns.of(settings.prefect) as prefect:
            return TaskListing(documents, prefect, settings).page(query, limit)[0]
    finally:
        documents.close()


def _print(found: "list[TaskRun]") -> None:
    from rich.markup import escape

    from deployments.terminal import console, titled_table

    table = titled_table("received (UTC)", "name", "state", "s", "worker", "arguments", "result or error", "run")
    for task in found:
        arguments = ", ".join(f"{name}={value}" for name, value in task.arguments.items())
        worker = f"{task.host}:{task.pid}" if task.host else ""
        runtime = "" if task.runtime is None else f"{task.runtime:.1f}"
        told = task.error or task.result or ""
        row = (task.name, task.state, runtime, worker, _short(arguments), _short(told), task.run[:8])
        table.add_row(_time(task.received), *(escape(cell) for cell in row))
    console.print(table)


def _time(moment: "datetime | None") -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"


def _gib(number: int | None) -> str:
    return "?" if number is None else f"{number / 2**30:.1f} GiB"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[:_SHOWN_CHARACTERS]}…"
