"""`sluice doctor`: what is wrong here, and what to do about it."""

from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Local stack")(doctor)


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for a script.")] = False) -> None:
    """Check this machine, this folder and its stack, and say what to do about what is not well.

    Python, extras, disk, ports, folders that hide Sluice's packages,
    prefect.yaml, the services, and whether the Dask workers have the versions
    of this environment. Exit code 1 if there is a problem.

    [bold]Examples[/bold]

      sluice doctor
      sluice doctor --json | jq '.[] | select(.level != "ok")'
    """
    from rich.markup import escape

    from deployments.doctor import examine
    from deployments.local.stack import running
    from deployments.terminal import console, print_json
    from sluice.settings import Settings

    settings = Settings.load()
    record = running(settings)
    marks = {"ok": "[green]✓[/green]", "warning": "[yellow]![/yellow]", "problem": "[red]✗[/red]"}
    problems = 0
    if as_json:
        found = [finding._asdict() for finding in examine(settings, record)]
        print_json(found)
        raise typer.Exit(int(any(finding["level"] == "problem" for finding in found)))
    for finding in examine(settings, record):
        problems += finding.level == "problem"
        console.print(f" {marks[finding.level]} {finding.check:<12} {escape(finding.text)}", soft_wrap=True)
        if finding.todo:
            console.print(f"   {'':<12} → {escape(finding.todo)}", soft_wrap=True)
    if problems:
        raise typer.Exit(1)
