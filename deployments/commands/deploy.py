"""`sluice deploy`: make Prefect know the use cases, and keep prefect.yaml true."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Use cases")(deploy)


def deploy(
    render: Annotated[
        bool, typer.Option("--render", help="Write prefect.yaml, for process and kubernetes pools, from what ships.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Exit 1 with the difference if it is stale.")] = False,
    pool: Annotated[
        Literal["process", "kubernetes"], typer.Option(help="Where runs go: processes here, or jobs on a cluster.")
    ] = "process",
) -> None:
    """Register all installed use cases with Prefect: work pool, limits, schedules, deployments.

    `sluice up` does it too. Run it after a use_case.yaml was changed, or a use
    case was installed. --check exits with 1 when a file is stale.

    [bold]Examples[/bold]

      sluice deploy
      sluice deploy --pool kubernetes
      sluice deploy --render && git diff prefect.yaml
      sluice deploy --check                   in continuous integration
    """
    from deployments.terminal import console

    if check or render:
        from deployments import prefect_yaml

        root = Path.cwd()
        if render:
            for path in prefect_yaml.write_all(root):
                console.print(f"Wrote {path.relative_to(root)}")
        else:
            prefect_yaml.check_all(root)
            console.print("prefect.yaml matches the use cases.")
        return
    _register(pool)


def _register(pool: Literal["process", "kubernetes"]) -> None:
    from deployments.local.environment import join
    from deployments.local.record import current_stack
    from deployments.terminal import Clocks, console
    from sluice.runs import PrefectRuns

    record, settings = current_stack()
    join(record)
    with PrefectRuns.of(settings.prefect) as prefect:
        prefect.request("GET", "/health")  # register would wait for a server that is just starting
    clocks = Clocks(["Deployments"])
    with clocks.shown():
        from deployments.register import register

        deployments = register(settings, pool)
        clocks.done("Deployments", "registered")
    for deployment in deployments:
        when = ", ".join(str(s.get("cron") or f"every {s['interval']:g} s") for s in deployment.schedules)
        console.print(f"  {deployment.full_name:<28} {when}")
