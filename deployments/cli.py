"""The command line. Each group of commands is a module.

What a command needs is imported when it runs: `--help` is quick, and a missing extra only disturbs who uses it.
"""

import os
import signal
import sys
from typing import Annotated

import typer

from deployments.commands import (
    backfill,
    check,
    data,
    demo,
    deploy,
    doctor,
    keys,
    limits,
    logs,
    models,
    new,
    release,
    run,
    runs,
    schedules,
    stack,
    tasks,
    use_cases,
    watch,
)

app = typer.Typer(
    name="sluice",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help=(
        "Sluice: data in, models through a gate, predictions out.\n\n"
        "First steps: [bold]sluice up[/bold] starts everything here, [bold]sluice run movies[/bold] ingests, builds, "
        "trains, evaluates and promotes, [bold]sluice status[/bold] shows what is up and where, "
        "[bold]sluice down[/bold] stops it."
    ),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("sluice"))
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None: ...


for group in (
    stack,
    doctor,
    deploy,
    run,
    runs,
    tasks,
    watch,
    backfill,
    schedules,
    limits,
    data,
    models,
    release,
    logs,
    keys,
    use_cases,
    new,
    check,
    demo,
):
    group.add_to(app)


def main() -> None:
    """Run a command. An error of ours is one line that says what to do; SLUICE_DEBUG=1 shows the traceback."""
    # A terminal that is closed, or a polite kill, ends a command as Ctrl-C does: it tidies up after itself.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as after nohup
            signal.signal(number, signal.default_int_handler)
    try:
        app()
    except Exception as error:
        from sluice.errors import SluiceError

        if os.environ.get("SLUICE_DEBUG") or not isinstance(error, SluiceError | ModuleNotFoundError):
            raise
        from deployments.terminal import print_error

        print_error(error)
        sys.exit(1)


if __name__ == "__main__":
    main()
