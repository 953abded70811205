"""`sluice demo`: from ratings to a served recommender, with the time of each step."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from deployments.local.record import StackRecord
    from deployments.runs import FlowRun
    from sluice.settings import Settings

USE_CASE = "movies"


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Use cases")(demo)


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack up at the end, to look around.")] = False,
) -> None:
    """Show all of it: start the stack, run the movies pipeline on Dask, ask the served model, stop.

    A second run skips the stages that did not change. A stack that is up in this folder is used, and left up.

    [bold]Examples[/bold]

      sluice demo
      sluice demo --keep
    """
    from deployments.commands.stack import start
    from deployments.local import stack
    from deployments.terminal import console
    from sluice.settings import Settings

    settings = Settings.load()
    steps = Steps()
    record = stack.running(settings)
    ours = record is None
    try:
        if record is None:
            with steps.step("Start the stack"):
                record = start(settings, free_ports=not stack.default_ports_free(settings))
        completed = _show(record, settings, steps)
    finally:
        if ours and not keep and stack.running(settings):
            with steps.step("Stop the stack"):
                stack.down(settings)
    steps.print()
    if not ours or keep:
        console.print("The stack is up. Stop it: sluice down")
    raise typer.Exit(0 if completed else 1)


def _show(record: "StackRecord", settings: "Settings", steps: "Steps") -> bool:
    from deployments import demo_report as report
    from deployments.commands.run import print_end
    from deployments.commands.stack import print_addresses
    from deployments.local.environment import join
    from deployments.runs import PrefectRuns
    from deployments.watch import watch

    join(record)
    here = record.applied_to(settings)
    with PrefectRuns(here.prefect.url) as prefect:
        with steps.step("Run the pipeline"):
            started = prefect.start(f"pipeline/{USE_CASE}", {"use_case": USE_CASE})
            run: FlowRun = watch(prefect, started, "pipeline")
        if not run.completed:
            print_end(prefect, run, record.prefect_ui)
            return False
    with steps.step("Ask the service"):
        outcome = report.outcome_of(run.id)
        champion = report.champion_of(here, USE_CASE)
        answers = report.ask(record.serving_url, USE_CASE, champion.version)
    report.print_stages(outcome)
    report.print_metrics(champion, outcome)
    report.print_recommendations(answers)
    print_addresses(record)
    return True


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
