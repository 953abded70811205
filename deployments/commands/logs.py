"""`sluice logs`: what a component or a run has written, and what it writes."""

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from deployments.run_log import RunLog
    from sluice.component_logs import ComponentLogs, LogFilter, LogLine
    from sluice.settings import Settings

_POLL_SECONDS = 0.5
_LINES, _MOST = 100, 10_000
_STYLES = {
    "TRACE": "dim",
    "DEBUG": "dim",
    "INFO": "",
    "SUCCESS": "green",
    "WARNING": "yellow",
    "ERROR": "red",
    "CRITICAL": "bold red",
}


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Local stack")(logs)


def logs(
    which: Annotated[
        str,
        typer.Argument(help="A service, or a run by its id or name; all services, if not given.", metavar="[WHICH]"),
    ] = "",
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes; of a run until it is over.")
    ] = False,
    level: Annotated[str, typer.Option(help="The least level, such as WARNING.", metavar="LEVEL")] = "",
    since: Annotated[
        str, typer.Option(help="Not what is older: 10m, 2h, 3d, or a date and time (UTC).", metavar="TIME")
    ] = "",
    contains: Annotated[str, typer.Option(help="Only lines with this in them, in any case.", metavar="TEXT")] = "",
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            "-n",
            min=0,
            max=_MOST,
            metavar="N",
            help=f"How many lines at first, the newest; {_LINES}, or with --since all.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print an object a line, for a script.")] = False,
) -> None:
    """Show what a service or a run has logged, the oldest line first.

    A run's log has the lines of its stages in it. Where Prefect has forgotten the
    run, or is down, its id finds what its processes have logged. Exit code 0; 1
    when there is no such log, or when a run that was followed did not complete;
    130 after Ctrl-C, which only ends the following.

    [bold]Examples[/bold]

      sluice logs
      sluice logs serving -f
      sluice logs prefect-worker --since 10m --level WARNING
      sluice logs mlflow --contains alias -n 20
      sluice logs pipeline-movies --level ERROR
      sluice logs serving --json | jq -r .message
    """
    from deployments.local.record import current_stack
    from deployments.terminal import errors
    from sluice.component_logs import LogFilter, open_component_logs
    from sluice.moment import moment
    from sluice.run_details import is_id

    _, settings = current_stack()
    components = open_component_logs(settings)
    begin = moment(since, "--since") if since else None
    wanted = LogFilter(level=level, since=begin, contains=contains)
    lines = limit if limit is not None else _MOST if since else _LINES
    shown = _json_line if as_json else _text_line
    services = components.services()
    if not which and not services:
        errors.print("There is no log here yet. sluice up starts what writes them.")
        return
    try:
        if not which or which in services:
            of_service = LogFilter(service=which, level=level, since=begin, contains=contains)
            for line in _of_components(components, of_service, lines, follow):
                shown(line)
            return
        if is_id(which) and not follow and (left := _of_forgotten_run(settings, components, which, wanted, lines)):
            for line in left:
                shown(line)
            return
        completed = True
        for log, found in _of_run(settings, components, which, wanted, lines, follow):
            if found is not None:
                shown(found)
            completed = log.run.completed
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    raise typer.Exit(1 if follow and not completed else 0)


def _of_components(components: "ComponentLogs", wanted: "LogFilter", limit: int, follow: bool) -> "Iterator[LogLine]":
    from sluice.component_logs import MOST_LINES

    page = components.lines(wanted, min(max(limit, 1), MOST_LINES))
    newer, found = page.newer, page.lines
    while len(found) < limit and page.older:
        page = components.lines(wanted, min(limit - len(found), MOST_LINES), page.older)
        found += page.lines
    yield from reversed(found[:limit])
    while follow and newer:
        page = components.lines(wanted, MOST_LINES, newer)
        yield from reversed(page.lines)
        newer = page.newer
        if not page.lines:
            time.sleep(_POLL_SECONDS)


def _of_forgotten_run(
    settings: "Settings", components: "ComponentLogs", run: str, wanted: "LogFilter", limit: int
) -> "list[LogLine]":
    """Where Prefect does not have it any more, or does not answer: what its processes and the workers have logged."""
    from dataclasses import replace

    from sluice.errors import RunNotFoundError, ServiceUnavailableError
    from sluice.runs import PrefectRuns

    try:
        with PrefectRuns.of(settings.prefect) as prefect:
            prefect.read(run)
    except (RunNotFoundError, ServiceUnavailableError):
        return list(_of_components(components, replace(wanted, run=run), limit, follow=False))
    return []


def _of_run(
    settings: "Settings",
    components: "ComponentLogs",
    which: str,
    wanted: "LogFilter",
    limit: int,
    follow: bool,
) -> "Iterator[tuple[RunLog, LogLine | None]]":
    """A last pair without a line says how the run is."""
    from deployments.run_log import RunLog, find_run
    from sluice.errors import LogNotFoundError, RunNotFoundError, ServiceUnavailableError
    from sluice.run_details import is_id
    from sluice.runs import PrefectRuns

    with PrefectRuns.of(settings.prefect) as prefect:
        try:
            log = RunLog(prefect, find_run(prefect, which))
        except (RunNotFoundError, ServiceUnavailableError):
            if is_id(which):
                raise
            raise LogNotFoundError(service=which, known=", ".join(components.services()) or "none") from None
        for line in log.last(wanted, limit):
            yield log, line
        if follow:
            for line in log.follow(wanted):
                yield log, line
        yield log, None


def _json_line(line: "LogLine") -> None:
    print(json.dumps(line.flat(), default=str), flush=True)  # noqa: T201 Rich would wrap and colour it


def _text_line(line: "LogLine") -> None:
    from rich.text import Text

    from deployments.terminal import console

    style = _STYLES[line.level]
    text = line.message if not line.stack else f"{line.message}\n{line.stack.rstrip()}"
    console.print(
        Text.assemble(
            (f"{line.at.astimezone():%Y-%m-%d %H:%M:%S} ", "dim"),
            (f"{line.level:<8} ", style),
            (f"{line.service} ", "cyan"),
            (text, style),
        ),
        soft_wrap=True,
    )
