"""`sluice runs` and `retry`: what ran, one run in detail, and one that is tried again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from deployments.commands.watch import RunId, follow, print_started

if TYPE_CHECKING:
    from sluice.run_details import RunDetails
    from sluice.run_filter import RunFilter
    from sluice.run_listing import RunListing
    from sluice.run_summary import Run, RunSummary
    from sluice.runs import PrefectRuns

_COLOURS = {"COMPLETED": "green", "FAILED": "red", "CRASHED": "red", "CANCELLED": "yellow", "RUNNING": "cyan"}
_SHOW = "show"


def add_to(app: typer.Typer) -> None:
    for command in (runs, retry):
        app.command(rich_help_panel="Use cases")(command)


def runs(
    run: Annotated[
        list[str] | None,
        typer.Argument(help="The id of one, to see all of it; a list, if not given.", metavar="[[show] RUN]"),
    ] = None,
    deployment: Annotated[str, typer.Option(help="Those of one deployment.", metavar="FLOW/USE_CASE")] = "",
    flow: Annotated[str, typer.Option(help="Those of one flow.", metavar="FLOW")] = "",
    use_case: Annotated[str, typer.Option("--use-case", help="Those of one use case.", metavar="USE_CASE")] = "",
    state: Annotated[
        str, typer.Option(help="Those in these states, such as failed,crashed or Late.", metavar="STATES")
    ] = "",
    since: Annotated[str, typer.Option(help="Due at this time or later: ISO 8601, or 30m, 2h, 7d ago.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, as GET /runs has it.")] = False,
) -> None:
    """List runs, the newest first, or show one: its stages, tasks, result and parameters.

    Runs of schedules that are still to come are listed with --state scheduled.
    Runs that Prefect has forgotten are listed too, where they were archived.

    [bold]Examples[/bold]

      sluice runs
      sluice runs --use-case movies --state failed,crashed --since 7d
      sluice runs --deployment pipeline/movies --limit 1 --json
      sluice runs 7c1f8a52-51a2-4d0c-9d8c-0b1f6f0f7d11
    """
    from deployments.terminal import print_json

    chosen = _chosen(run)
    with _opened() as reading:
        if chosen:
            found = reading.details.read(chosen)
            print_json(found.model_dump(mode="json")) if as_json else _print_run(found)
            return
        wanted = _filter(deployment, flow, use_case, state, since)
        listed = _listed(reading.listing, wanted, limit)
    print_json([one.model_dump(mode="json") for one in listed]) if as_json else _print_list(listed)


def retry(
    run: RunId,
    watch: Annotated[bool, typer.Option("--watch", help="Show its progress until it is over.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for a script.")] = False,
) -> None:
    """Try a run again that failed, crashed or was cancelled. It stays the same run.

    Stages that it finished are skipped. Exit code 1 when it cannot be tried again;
    with --watch 0 when it completed, 1 when not, 130 after Ctrl-C.

    [bold]Examples[/bold]

      sluice retry 7c1f8a52-51a2-4d0c-9d8c-0b1f6f0f7d11
      sluice retry 7c1f8a52-51a2-4d0c-9d8c-0b1f6f0f7d11 --watch
    """
    from getpass import getuser

    from sluice.run_control import retry as again

    with _opened() as reading:
        started = again(reading.prefect, run, getuser())
        if watch:
            follow(reading.prefect, started, reading.ui, as_json)
        else:
            print_started(started, reading.ui, as_json)


class _Reading(NamedTuple):
    prefect: "PrefectRuns"
    listing: "RunListing"
    details: "RunDetails"
    ui: str


@contextmanager
def _opened() -> Iterator[_Reading]:
    from functools import cache

    from deployments.local.record import current_stack
    from sluice.documents import open_documents
    from sluice.forgotten_runs import ForgottenRuns
    from sluice.run_details import RunDetails
    from sluice.run_listing import RunListing
    from sluice.run_names import RunNames
    from sluice.runs import PrefectRuns

    _, settings = current_stack()
    with PrefectRuns.of(settings.prefect) as prefect:
        names = RunNames.of(prefect, settings)
        forgotten = ForgottenRuns(prefect, cache(lambda: open_documents(settings)))
        details, listing = RunDetails(prefect, names, forgotten), RunListing(prefect, names, forgotten)
        yield _Reading(prefect, listing, details, settings.prefect.pages)


def _chosen(run: list[str] | None) -> str:
    words = [word for word in run or [] if word != _SHOW]
    if len(words) > 1 or (run and not words):
        raise typer.BadParameter("one run's id is wanted, such as: sluice runs show RUN", param_hint="RUN")
    return words[0] if words else ""


def _filter(deployment: str, flow: str, use_case: str, state: str, since: str) -> "RunFilter | None":
    from sluice.errors import InputInvalidError
    from sluice.moment import moment
    from sluice.run_filter import RunFilter

    try:
        return RunFilter.of(
            deployment,
            flow,
            use_case,
            states=tuple(filter(None, (one.strip() for one in state.split(",")))),
            since=moment(since, "since") if since else None,
        )
    except InputInvalidError as error:
        raise typer.BadParameter(error.problem, param_hint=f"--{error.field}") from None


def _listed(listing: "RunListing", wanted: "RunFilter | None", limit: int) -> "list[RunSummary]":
    from sluice.run_listing import MOST_RUNS

    found: list[RunSummary] = []
    cursor = ""
    while len(found) < limit:
        page = listing.page(wanted, cursor, min(limit - len(found), MOST_RUNS))
        found += page.runs
        if page.next is None:
            break
        cursor = page.next
    return found


def _print_list(found: "list[RunSummary]") -> None:
    from rich.markup import escape

    from deployments.terminal import console, titled_table

    if not found:
        console.print("No run is like that. Start one: sluice run USE_CASE. All there are: sluice runs")
        return
    table = titled_table("run", "flow", "state", "due (UTC)", "seconds", "says")
    for run in found:
        says = run.message if run.state_type in {"FAILED", "CRASHED", "CANCELLED"} else ""
        name = run.deployment or run.name
        table.add_row(run.id, name, _state(run), f"{run.due:%Y-%m-%d %H:%M:%S}", _seconds(run), escape(_short(says)))
    console.print(table)


def _print_run(run: "Run") -> None:
    import json

    from rich.markup import escape

    from deployments.terminal import console, titled_table

    console.print(f"[bold]{escape(run.deployment or run.name)}[/bold] {_state(run)} {escape(run.message)}")
    when = {"due": run.due, "started": run.started, "ended": run.ended}
    facts: dict[str, Any] = {
        "run": run.id,
        "name": run.name,
        **{name: f"{time:%Y-%m-%d %H:%M:%S} UTC" for name, time in when.items() if time},
        "took": _seconds(run) and f"{_seconds(run)} s",
        "started by": run.parent,
        "tags": ", ".join(run.tags),
        "tasks": ", ".join(f"{count} {state}" for state, count in run.tasks.items()),
        "parameters": json.dumps(run.parameters),
        "result": json.dumps(run.result) if run.result is not None else "",
        "shows": ", ".join(sorted({artifact.key or "" for artifact in run.artifacts})),
        "pages": run.links.get("prefect"),
    }
    for name, fact in facts.items():
        if fact:
            console.print(f"  {name:<10} {escape(str(fact))}", soft_wrap=True)
    if run.stages:
        table = titled_table("stage", "state", "seconds", "run")
        for stage in run.stages:
            state = f"{_state(stage)}, unchanged" if stage.unchanged else _state(stage)
            table.add_row(stage.flow, state, _seconds(stage), stage.run)
        console.print(table)


def _state(run: Any) -> str:
    colour = _COLOURS.get(run.state_type, "dim")
    return f"[{colour}]{run.state}[/{colour}]"


def _seconds(run: Any) -> str:
    return f"{run.seconds:.1f}" if run.started else ""


def _short(text: str) -> str:
    line = text.strip().partition("\n")[0]
    return line if len(line) <= 100 else f"{line[:99]}…"
