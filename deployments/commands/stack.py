"""`sluice up`, `down` and `status`: the local stack."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from deployments.local.record import StackRecord
    from deployments.local.stack import ServiceStatus, Stopped
    from sluice.settings import Settings


def add_to(app: typer.Typer) -> None:
    for command in (up, down, status):
        app.command(rich_help_panel="Local stack")(command)


def up(
    free_ports: Annotated[
        bool, typer.Option("--free-ports", help="Choose ports that are free now, and record them for this folder.")
    ] = False,
    observe: Annotated[
        bool, typer.Option("--observe", help="Add Prometheus, Alertmanager and a node exporter, if they are installed.")
    ] = False,
) -> None:
    """Start the stack of this folder and wait until all of it is healthy.

    Prefect server, MLflow, Dask scheduler and workers, a Prefect worker, the
    exporter, and serving. What dies is restarted. State and logs live in
    .sluice/, or where SLUICE_HOME says. Exit code 1 if something did not come
    up; then nothing is.

    [bold]Examples[/bold]

      sluice up
      sluice up --free-ports     beside another folder's stack
      sluice up --observe     with metrics, rules and alerts
      SLUICE_SERVING__PORT=8001 sluice up
    """
    from deployments.local.stack import running
    from deployments.terminal import console
    from sluice.settings import Settings

    settings = Settings.load()
    if record := running(settings):
        console.print(f"The stack in {settings.home} is already up. To change its settings: sluice down && sluice up")
        if observe and "prometheus" not in record.services:
            console.print("Nothing watches it. To add that: sluice down && sluice up --observe")
        report(record, settings)
        return
    print_addresses(start(settings, free_ports, observe))


def start(settings: "Settings", free_ports: bool, observe: bool = False) -> "StackRecord":
    """Bring the stack up with its progress on the terminal."""
    from deployments.extras import require_modules
    from deployments.local import stack
    from deployments.local.record import StackRecord
    from deployments.local.services import local_services
    from deployments.terminal import Clocks, console

    require_modules("psutil", "supervisor", "flask", "prefect", "distributed")
    if settings.mlflow.username:
        require_modules("flask_wtf")
    record = StackRecord.of(settings, root=Path.cwd())
    if free_ports:
        record = record.on_free_ports(settings)
    services = local_services(record, settings, observe)
    if observe:
        _print_unwatched(settings)
    titles = {service.name: service.title for service in services} | {"deployments": "Deployments"}
    clocks = Clocks(list(titles.values()))

    def ready(name: str) -> None:
        clocks.done(titles[name])

    def prepare(record: "StackRecord") -> None:
        from deployments.register import register

        register(record.applied_to(settings))

    def undoing() -> None:
        console.print("Stopping again what was started.")

    with clocks.shown():
        record = stack.up(record, settings, services, ready, prepare, undoing)
    console.print(f"Up in {clocks.seconds:.1f} s.")
    return record


def _print_unwatched(settings: "Settings") -> None:
    """What `--observe` cannot do here, and what to do about it."""
    from deployments.local.watching import how_to_install, missing_packages, serving_refuses
    from deployments.terminal import console

    if packages := missing_packages():
        console.print(
            f"Not installed here: {', '.join(packages)}. The stack starts without. {how_to_install(packages)}"
        )
    if serving_refuses(settings):
        console.print(
            "Serving asks for an API key, and Prometheus has none: its job sluice-serving will be down. Once the stack "
            "is up: sluice keys create prometheus, write the key into a file, set SLUICE_OBSERVE__SERVING_KEY_FILE"
        )


def down() -> None:
    """Stop everything of this folder's stack, also what a crash has left behind.

    A run that is under way ends as Crashed; run it again after the next
    `sluice up`: finished stages are skipped. Exit code 1 if nothing was up.

    [bold]Examples[/bold]

      sluice down
      sluice down && sluice up     after a setting was changed
    """
    from deployments.local import stack
    from deployments.terminal import Clocks
    from sluice.settings import Settings

    settings = Settings.load()
    clocks = Clocks(["Stopping"])
    with clocks.shown():
        stopped = stack.down(settings)
        clocks.done("Stopping", "stopped")
    print_stopped(stopped)


def print_stopped(stopped: "Stopped") -> None:
    """What `down` ended besides the services, if anything."""
    from deployments.terminal import console

    if stopped.runs:
        console.print(f"These runs were under way and were ended: {', '.join(stopped.runs)}.")
        console.print("Run them again; finished stages are skipped.")
    if stopped.leftovers:
        console.print(f"{stopped.leftovers} processes of an earlier stack were still there; they were ended.")


def status(
    env: Annotated[bool, typer.Option("--env", help="Print exports, for plain prefect and mlflow.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for a script.")] = False,
) -> None:
    """Show each service, whether it is healthy, and where it is.

    Exit code 0 if all are healthy, 1 if not, or if no stack is up.

    [bold]Examples[/bold]

      sluice status
      sluice status --json | jq -r .addresses.serving
      eval "$(sluice status --env)" && prefect flow-run ls
    """
    from deployments.local.environment import exports
    from deployments.local.stack import running_or_raise
    from sluice.settings import Settings

    settings = Settings.load()
    record = running_or_raise(settings)
    if env:
        for line in exports(record):
            typer.echo(line)
        return
    report(record, settings, as_json)


def report(record: "StackRecord", settings: "Settings", as_json: bool = False) -> None:
    """Print how a stack that is up is. Ends the command with exit code 1 if a service is not healthy."""
    from deployments.local import stack
    from deployments.terminal import console, print_json
    from sluice.settings import without_credentials

    services = stack.status(record, settings)
    healthy = all(service.healthy for service in services)
    if as_json:
        addresses = {
            "prefect": record.prefect_ui,
            "prefect_api": record.prefect_url,
            "mlflow": record.mlflow_uri,
            "dask": record.dask_address,
            "dask_dashboard": record.dask_ui,
            "serving": record.serving_url,
            "exporter": record.exporter_url,
        }
        addresses = {name: without_credentials(url) for name, url in addresses.items()}
        addresses |= {name: url for name, url, _ in _watching(record)}
        listed = [service._asdict() for service in services]
        print_json({"home": record.home, "healthy": healthy, "services": listed, "addresses": addresses})
    else:
        _print_services(services)
        print_addresses(record)
        if not healthy:
            console.print("Look into the log of what is not healthy, or check everything: sluice doctor")
    if not healthy:
        raise typer.Exit(1)


def _print_services(services: "list[ServiceStatus]") -> None:
    from deployments.terminal import console, titled_table

    table = titled_table("service", "state", "healthy", "up", "log")
    for service in services:
        healthy = "[green]yes[/green]" if service.healthy else "[red]no[/red]"
        table.add_row(service.name, service.state.lower(), healthy, f"{service.seconds} s", _short(service.log))
    console.print(table)


def print_addresses(record: "StackRecord") -> None:
    from deployments.terminal import console
    from sluice.settings import without_credentials

    for name, url, what in (
        ("Prefect", record.prefect_ui, "runs, their logs and artifacts, schedules"),
        ("MLflow", record.mlflow_uri, "training runs and registered models"),
        ("Dask", f"{record.dask_ui}/status", "what the workers do"),
        ("Serving", f"{record.serving_url}/docs", "the API, to try out"),
        *((name.capitalize(), url, what) for name, url, what in _watching(record)),
    ):
        console.print(f"  {name:<12} {without_credentials(url):<34} [dim]{what}[/dim]", soft_wrap=True)


def _watching(record: "StackRecord") -> "list[tuple[str, str, str]]":
    """Service, address and what is there, of those that this stack has."""
    known = (
        ("prometheus", record.prometheus_url, "metrics, rules and what fires"),
        ("alertmanager", record.alertmanager_url, "who is told of what, and silences"),
    )
    return [line for line in known if line[0] in record.services]


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
