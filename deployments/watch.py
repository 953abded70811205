"""A run on the terminal: a line for it and one for each stage, with state and seconds, until all of it is over."""

import time
from collections.abc import Callable
from typing import get_args

from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table

from deployments.runs import FlowRun, PrefectRuns
from deployments.terminal import console
from sluice.use_case import Flow

_POLL_SECONDS = 0.5
_COLOURS = {"COMPLETED": "green", "FAILED": "red", "CRASHED": "red", "CANCELLED": "yellow", "RUNNING": "cyan"}


def watch(prefect: PrefectRuns, run: FlowRun, flow: str) -> FlowRun:
    """Show a run until it is over. Returns it as it ended."""
    # A pipeline's stages are known before they start, so the lines that are still to come are shown too.
    expected = [name for name in get_args(Flow) if name != flow] if flow == "pipeline" else []
    shown: dict[str, FlowRun | None] = {flow: run, **dict.fromkeys(expected)}
    if not console.is_terminal:
        return _follow(prefect, run, flow, shown, _printer())
    with Live(get_renderable=lambda: _table(shown), console=console, refresh_per_second=8):
        return _follow(prefect, run, flow, shown, lambda _: None)


def _follow(
    prefect: PrefectRuns,
    run: FlowRun,
    flow: str,
    shown: dict[str, FlowRun | None],
    changed: Callable[[dict[str, FlowRun | None]], None],
) -> FlowRun:
    while True:
        run = prefect.read(run.id)
        shown[flow] = run
        for child in prefect.children(run.id):
            shown[prefect.flow_name(child.flow_id)] = child
        changed(shown)
        if run.final:
            return run
        time.sleep(_POLL_SECONDS)


def _printer() -> Callable[[dict[str, FlowRun | None]], None]:
    """Without a terminal: a line at each change of state."""
    said: dict[str, str | None] = {}

    def say(shown: dict[str, FlowRun | None]) -> None:
        for name, run in shown.items():
            if run is not None and said.get(name) != run.state_name:
                said[name] = run.state_name
                console.print(f"  {name:<9} {run.state_name:<12} {run.seconds:6.1f} s")

    return say


def _table(shown: dict[str, FlowRun | None]) -> Table:
    table = Table.grid(padding=(0, 1))
    for name, run in shown.items():
        if run is None:
            table.add_row(" [dim]·[/dim]", f"[dim]{name}[/dim]", "", "")
            continue
        colour = _COLOURS.get(run.state_type or "", "dim")
        mark = f" [{colour}]{'✓' if run.completed else '✗'}[/{colour}]" if run.final else Spinner("dots", " ")
        seconds = run.seconds or run.wait_seconds
        table.add_row(mark, escape(name), f"[{colour}]{run.state_name}[/{colour}]", f"{seconds:6.1f} s")
    return table
