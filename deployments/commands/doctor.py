"""`sluice doctor`: what is wrong here, and what to do about it."""

import typer


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Local stack")(doctor)


def doctor() -> None:
    """Check this machine, this folder and its stack, and say what to do about what is not well.

    Python, extras, disk, ports, folders that hide Sluice's packages, prefect.yaml, the services, and whether the Dask
    workers have the versions of this environment. Exit code 1 if there is a problem.
    """
    from rich.markup import escape

    from deployments.doctor import examine
    from deployments.local.stack import running
    from deployments.terminal import console
    from sluice.settings import Settings

    settings = Settings.load()
    record = running(settings)
    marks = {"ok": "[green]✓[/green]", "warning": "[yellow]![/yellow]", "problem": "[red]✗[/red]"}
    problems = 0
    for finding in examine(settings, record):
        problems += finding.level == "problem"
        console.print(f" {marks[finding.level]} {finding.check:<12} {escape(finding.text)}", soft_wrap=True)
        if finding.todo:
            console.print(f"   {'':<12} → {escape(finding.todo)}", soft_wrap=True)
    if problems:
        raise typer.Exit(1)
