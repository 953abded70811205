"""`sluice backfill`: a flow over the past, window by window."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from deployments.backfill import Backfill
    from sluice.window import Window


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Use cases")(backfill)


def backfill(
    use_case: Annotated[str, typer.Argument(help="Its name; sluice use-cases lists them.", metavar="USE_CASE")],
    flow: Annotated[str, typer.Argument(help="A flow that takes a window: ingest.", metavar="FLOW")],
    start: Annotated[str, typer.Option("--from", help="The first moment, such as 1996-01-01.", metavar="TIME")],
    end: Annotated[str, typer.Option("--to", help="The first moment that is not in it any more.", metavar="TIME")],
    every: Annotated[
        str, typer.Option(help="How long a window is: 6h, 1d, 1w, 1mo, 1q, 1y.", metavar="LENGTH")
    ] = "1mo",
    parallel: Annotated[int, typer.Option(min=1, max=12, help="Windows side by side.")] = 1,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", help="Over params in use_case.yaml, as NAME=VALUE.", metavar="NAME=VALUE"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print how each window ended as JSON.")] = False,
) -> None:
    """Run a flow over each window of a span of event time.

    The same command again goes on where it ended: windows that are done are left
    alone, what failed or was not started is run. Other runs of the use case wait
    while windows run side by side. Exit code 0 when all completed, 1 when not, 130
    after Ctrl-C: what runs then goes on.

    [bold]Examples[/bold]

      sluice backfill movies ingest --from 1996-01-01 --to 2016-11-01 --every 1y
      sluice backfill movies ingest --from 1996-01-01 --to 2016-11-01 --parallel 4
    """
    from deployments.backfill import Backfill
    from deployments.commands.run import check_params, parsed_params
    from deployments.local.record import current_stack
    from deployments.terminal import console, errors, print_json
    from sluice.runs import PrefectRuns

    _check_flow(use_case, flow)
    params = parsed_params(param)
    check_params(use_case, params)
    windows = _windows(start, end, every)
    record, settings = current_stack()
    with PrefectRuns.of(settings.prefect) as prefect:
        work = Backfill(prefect, f"{flow}/{use_case}", windows, params, parallel)
        terminal = errors if as_json else console
        done = sum(slot.done for slot in work.slots)
        if done:
            terminal.print(f"{done} of {len(windows)} windows were done before.")
        try:
            with _progress(work, as_json) as changed:
                work.run(changed)
        except KeyboardInterrupt:
            going = [str(slot.window) for slot in work.slots if slot.under_way]
            terminal.print(f"Stopped. Still running: {', '.join(going) or 'none'}. The same command goes on from here.")
            raise typer.Exit(130) from None
    failed = [slot for slot in work.slots if slot.failed]
    if as_json:
        print_json(
            [
                {
                    "window": str(slot.window),
                    "run": slot.run.id,
                    "state": slot.run.state_name,
                    "message": slot.run.message,
                }
                for slot in work.slots
                if slot.run is not None
            ]
        )
    elif not failed:
        console.print(f"All {len(windows)} windows are done.")
    for slot in failed:
        assert slot.run is not None
        said = (slot.run.message or "It gave no reason.").splitlines()[0]
        terminal.print(f"[red]{slot.run.state_name}[/red] {slot.window}: {said}", soft_wrap=True)
        terminal.print(f"  {record.prefect_ui}/runs/flow-run/{slot.run.id}", soft_wrap=True, style="dim")
    if failed:
        terminal.print(f"{len(failed)} of {len(windows)} windows failed. The same command runs just these again.")
        raise typer.Exit(1)


def _check_flow(use_case: str, flow: str) -> None:
    import inspect
    from typing import get_args

    from deployments.commands.run import flow_named
    from sluice.use_case import Flow, load_use_case

    flow_named(flow)
    takes = [name for name in get_args(Flow) if "window" in inspect.signature(flow_named(name).fn).parameters]
    if flow not in takes:
        raise typer.BadParameter(f"{flow} takes no window; these do: {', '.join(takes)}", param_hint="FLOW")
    if not hasattr(load_use_case(use_case).steps, "TIME"):
        problem = f"{use_case} has no TIME in steps.py; it names the column with the time of a row's event"
        raise typer.BadParameter(problem, param_hint="USE_CASE")


def _windows(start: str, end: str, every: str) -> "list[Window]":
    from pydantic import ValidationError

    from sluice.window import Window

    try:
        return Window.model_validate({"start": start, "end": end}).split(every)
    except ValidationError as error:
        raise typer.BadParameter(error.errors()[0]["msg"], param_hint="--from/--to") from None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--from/--to/--every") from None


@contextmanager
def _progress(work: "Backfill", quiet: bool) -> Iterator[Callable[[], None]]:
    """A bar, with what runs now beside it."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from deployments.terminal import console, errors

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=errors if quiet else console) as progress:
        bar = progress.add_task("", total=len(work.slots))

        def changed() -> None:
            now = [str(slot.window) for slot in work.slots if slot.under_way]
            failed = sum(slot.failed for slot in work.slots)
            text = ", ".join(now) + (f" [red]{failed} failed[/red]" if failed else "")
            progress.update(bar, completed=sum(slot.done for slot in work.slots), description=text)

        yield changed
