"""`sluice up`, `down` and `status`: the local stack."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from deployments.local.record import StackRecord
    from deployments.local.stack import ServiceStatus
    from sluice.settings import Settings


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Local stack")(up)
    app.command(rich_help_panel="Local stack")(down)
    app.command(rich_help_panel="Local stack")(status)


def up(
    free_ports: Annotated[
        bool, typer.Option("--free-ports", help="Choose ports that are free now, and record them for this folder.")
    ] = False,
) -> None:
    """Start the stack of this folder and wait until all of it is healthy.

    Prefect server, MLflow, Dask scheduler and workers, a Prefect worker, and serving. State and logs live in
    .sluice/ (SLUICE_HOME). What dies is restarted.

    [bold]Examples[/bold]

      sluice up
      sluice up --free-ports                  a second stack beside another folder's
      SLUICE_SERVING__PORT=8001 sluice up
    """
    from deployments.local.stack import running
    from deployments.terminal import console
    from sluice.settings import Settings

    settings = Settings.load()
    if record := running(settings):
        console.print(f"The stack in {settings.home} is already up.")
    else:
        record = start(settings, free_ports)
    print_addresses(record)


def start(settings: "Settings", free_ports: bool) -> "StackRecord":
    """Bring the stack up with its progress on the terminal."""
    from deployments.extras import require_modules
    from deployments.local import stack
    from deployments.local.record import StackRecord
    from deployments.local.services import local_services
    from deployments.terminal import Clocks, console

    require_modules("psutil", "supervisor", "flask", "prefect", "distributed")
    record = StackRecord.of(settings, root=Path.cwd())
    if free_ports:
        record = record.on_free_ports(settings)
    services = local_services(record, settings)
    titles = {service.name: service.title for service in services} | {"deployments": "Deployments"}
    # A terminal that is closed ends the command as Ctrl-C does: nothing is left half started.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    clocks = Clocks(list(titles.values()))

    def ready(name: str) -> None:
        clocks.done(titles[name])

    def prepare(record: "StackRecord") -> None:
        from deployments.register import register

        register(record.applied_to(settings), record.root)

    with clocks.shown():
        record = stack.up(record, settings, services, ready, prepare)
    console.print(f"Up in {clocks.seconds:.1f} s.")
    return record


def down() -> None:
    """Stop everything of this folder's stack, also what a crash has left behind."""
    from deployments.local import stack
    from deployments.terminal import Clocks, console
    from sluice.settings import Settings

    settings = Settings.load()
    clocks = Clocks(["Stopping"])
    with clocks.shown():
        leftovers = stack.down(settings)
        clocks.done("Stopping", "stopped")
    if leftovers:
        console.print(f"{leftovers} processes of an earlier stack were still there; they were ended.")


def status(
    env: Annotated[bool, typer.Option("--env", help="Print exports, for plain prefect and mlflow.")] = False,
) -> None:
    """Show each service, whether it is healthy, and where it is.

    Exit code 0 if all are healthy, 1 if not, or if no stack is up.

    [bold]Examples[/bold]

      sluice status
      eval "$(sluice status --env)" && prefect flow-run ls
    """
    import shlex

    from deployments.errors import StackDownError
    from deployments.local import stack
    from deployments.local.environment import stack_environment
    from deployments.terminal import console
    from sluice.settings import Settings

    settings = Settings.load()
    record = stack.running(settings)
    if record is None:
        raise StackDownError(home=settings.home)
    if env:
        for name, value in stack_environment(record).items():
            typer.echo(f"export {name}={shlex.quote(value)}")
        return
    services = stack.status(record, settings)
    _print_services(services)
    print_addresses(record)
    if not all(service.healthy for service in services):
        console.print("Look into the log of what is not healthy, or check everything: sluice doctor")
        raise typer.Exit(1)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _print_services(services: "list[ServiceStatus]") -> None:
    from rich.table import Table

    from deployments.terminal import console

    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("service", "state", "healthy", "up", "log"):
        table.add_column(column, overflow="fold")
    for service in services:
        healthy = "[green]yes[/green]" if service.healthy else "[red]no[/red]"
        table.add_row(service.name, service.state.lower(), healthy, f"{service.seconds} s", _short(service.log))
    console.print(table)


def print_addresses(record: "StackRecord") -> None:
    from deployments.terminal import console

    for name, url in {
        "Prefect": record.prefect_ui,
        "MLflow": record.mlflow_uri,
        "Dask": f"{record.dask_dashboard}/status",
        "Serving": f"{record.serving_url}/docs",
    }.items():
        console.print(f"  {name:<8} {url}", soft_wrap=True)


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
