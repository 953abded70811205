"""`sluice watch` and `cancel`: a run that is going on, followed and ended."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from deployments.watch import WatchedRun
    from sluice.runs import FlowRun, PrefectRuns

RunId = Annotated[str, typer.Argument(help="Its id, as sluice run and the Prefect UI show it.", metavar="RUN")]
AsJson = Annotated[bool, typer.Option("--json", help="Print how it ended as JSON; progress goes to standard error.")]


def add_to(app: typer.Typer) -> None:
    for command in (watch, cancel):
        app.command(rich_help_panel="Use cases")(command)


def watch(run: RunId, as_json: AsJson = False) -> None:
    """Show the progress of a run that was started before, until it is over.

    Exit code 0 when it completed, 1 when not, 130 after Ctrl-C, which only ends
    the watching.

    [bold]Examples[/bold]

      sluice watch 7c1f8a52-51a2-4d0c-9d8c-0b1f6f0f7d11
      sluice runs             for the ids of other runs
    """
    from deployments.local.record import current_stack
    from sluice.runs import PrefectRuns

    record, settings = current_stack()
    with PrefectRuns.of(settings.prefect) as prefect:
        follow(prefect, prefect.read(run), record.prefect_ui, as_json)


def cancel(run: RunId) -> None:
    """End a run, and the stages that it has started.

    What is finished is kept: running it again goes on from there.

    [bold]Example[/bold]

      sluice cancel 7c1f8a52-51a2-4d0c-9d8c-0b1f6f0f7d11
    """
    from deployments.local.record import current_stack
    from deployments.terminal import console
    from sluice.runs import PrefectRuns

    _, settings = current_stack()
    with PrefectRuns.of(settings.prefect) as prefect:
        ended = prefect.cancel(run)
    console.print(f"{ended.name} is {'over' if ended.final else 'being ended'}: {ended.state_name}.")


def follow(prefect: "PrefectRuns", run: "FlowRun", ui: str, as_json: bool) -> None:
    """Show a run to its end and leave the command with the exit code for it."""
    from deployments.terminal import console, errors, print_json
    from deployments.watch import watch as shown

    terminal = errors if as_json else console
    try:
        watched = shown(prefect, run, terminal)
    except KeyboardInterrupt:
        terminal.print(f"The run goes on. {_later(run)}", soft_wrap=True)
        raise typer.Exit(130) from None
    if as_json:
        stages = {name: _as_dict(stage, ui) for name, stage in watched.stages.items() if stage is not None}
        unchanged = {"unchanged": [flow for flow, nothing_to_do in watched.unchanged.items() if nothing_to_do]}
        print_json({**_as_dict(watched.run, ui), "flow": watched.flow, "stages": stages, **unchanged})
    else:
        print_end(prefect, watched, ui)
    raise typer.Exit(0 if watched.run.completed else 1)


def print_started(run: "FlowRun", ui: str, as_json: bool) -> None:
    from deployments.terminal import console, print_json

    if as_json:
        print_json(_as_dict(run, ui))
        return
    console.print(f"Started {run.name}. {_later(run)}\n{_url(run, ui)}", soft_wrap=True)


def _later(run: "FlowRun") -> str:
    return f"Watch it: sluice watch {run.id}. End it: sluice cancel {run.id}"


def _url(run: "FlowRun", ui: str) -> str:
    return f"{ui}/runs/flow-run/{run.id}"


def _as_dict(run: "FlowRun", ui: str) -> dict[str, Any]:
    described = {"id": run.id, "name": run.name, "state": run.state_name, "message": run.message}
    return {**described, "seconds": round(run.seconds, 3), "url": _url(run, ui)}


def print_end(prefect: "PrefectRuns", watched: "WatchedRun", ui: str) -> None:
    """Where the run can be looked at; if it did not complete, why, in as few lines as possible."""
    from rich.markup import escape

    from deployments.terminal import console

    run = watched.run
    if not run.completed:
        console.print(f"[bold red]{run.state_name}[/bold red] {escape(run.message)}", soft_wrap=True)
        for problem in _problems(prefect, watched):
            console.print(f"  {escape(problem)}", soft_wrap=True, style="dim")
    console.print(_url(run, ui), soft_wrap=True, style="dim")


def _problems(prefect: "PrefectRuns", watched: "WatchedRun") -> list[str]:
    """The errors in the logs of a run and its stages that their messages do not say: of a traceback the last line."""
    runs = [watched.run, *(stage for stage in watched.stages.values() if stage is not None)]
    said = [run.message.rstrip(".") for run in runs if run.message]
    log = prefect.log(run.id for run in runs)
    last_lines = (line.strip().splitlines()[-1].strip() for line in log if line.strip())
    return [line for line in dict.fromkeys(last_lines) if not any(text in line or line in text for text in said)]
