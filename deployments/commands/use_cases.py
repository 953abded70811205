"""`sluice use-cases`: what is installed."""

from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    app.command("use-cases", rich_help_panel="Use cases")(use_cases)


def use_cases(as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for a script.")] = False) -> None:
    """List the installed use cases: title, owner, schedules, where each one is.

    A use case is a package that is registered in the entry-point group
    'sluice.use_cases'.

    [bold]Examples[/bold]

      sluice use-cases
      sluice use-cases --json | jq -r '.[].name'
    """
    from deployments.terminal import console, print_json, titled_table
    from sluice.use_case import discover, load_use_case

    installed = [(package, load_use_case(name).config) for name, package in discover().items()]
    if as_json:
        print_json([{**config.model_dump(mode="json"), "package": package} for package, config in installed])
        return
    table = titled_table("use case", "title", "owner", "schedules", "package")
    for package, config in installed:
        schedules = ", ".join(
            f"{flow} {schedule.cron or f'every {schedule.interval:g} s'}" for flow, schedule in config.schedules.items()
        )
        table.add_row(config.name, config.title, config.owner, schedules or "none", package)
    console.print(table)
