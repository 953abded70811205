"""`sluice check`: the conformance tests of a use case."""

from dataclasses import asdict
from typing import Annotated

import typer

_MARKS = {"passed": "[green]pass[/green]", "failed": "[bold red]FAIL[/bold red]", "skipped": "[dim]skip[/dim]"}


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Use cases")(check)


def check(
    use_case: Annotated[str, typer.Argument(help="Its name; sluice use-cases lists them.", metavar="USE_CASE")],
    rows: Annotated[int, typer.Option(min=10, help="Take at most this many rows from its source.")] = 5_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for a script.")] = False,
) -> None:
    """Try a use case on a sample of its own data, in this process and without a stack.

    Steps and their arguments, parameters, contract, ingest, quarantine, features
    that do not depend on order or files, a hold-out that stays when rows come
    later, a training that can be repeated, a model that answers after saving as
    before, the metrics that the gate asks for. Exit code 1 when a check fails.

    [bold]Examples[/bold]

      sluice check movies
      sluice check movies --json | jq '.[] | select(.status == "failed")'
    """
    from rich.markup import escape

    from deployments.terminal import console, print_json
    from sluice.conformance import check_use_case

    outcomes = []
    for outcome in check_use_case(use_case, rows=rows):
        outcomes.append(outcome)
        if not as_json:
            said = escape(f"{outcome.detail}. {outcome.hint}" if outcome.hint else outcome.detail)
            console.print(f"{_MARKS[outcome.status]}  {outcome.check:<20}  {said}", soft_wrap=True)
    failed = [outcome for outcome in outcomes if outcome.status != "passed"]
    if as_json:
        print_json([asdict(outcome) for outcome in outcomes])
    else:
        taken = sum(outcome.seconds for outcome in outcomes)
        console.print(f"{len(outcomes) - len(failed)} of {len(outcomes)} checks passed in {taken:.1f} s.")
    if failed:
        raise typer.Exit(1)
