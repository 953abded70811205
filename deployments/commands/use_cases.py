"""`sluice use-cases`: what is installed."""

import typer


def add_to(app: typer.Typer) -> None:
    app.command("use-cases", rich_help_panel="Use cases")(use_cases)


def use_cases() -> None:
    """List the installed use cases: title, owner, schedules, where each one is.

    A use case is a package that is registered in the entry-point group 'sluice.use_cases'.
    """
    from rich.table import Table

    from deployments.terminal import console
    from sluice.use_case import discover, load_use_case

    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("use case", "title", "owner", "schedules", "package"):
        table.add_column(column, overflow="fold")
    for name, package in discover().items():
        config = load_use_case(name).config
        schedules = ", ".join(
            f"{flow} {schedule.cron or f'every {schedule.interval:g} s'}" for flow, schedule in config.schedules.items()
        )
        table.add_row(name, config.title, config.owner, schedules or "none", package)
    console.print(table)
