"""A run on the terminal: a line for it and one for each stage, with state and seconds, until all of it is over."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table

from deployments.terminal import console
from sluice.errors import ServiceUnavailableError
from sluice.runs import FlowRun, PrefectRuns
from sluice.use_case import STAGES

_POLL_SECONDS = 0.5
# Prefect hears how tasks ended a moment after it hears of the run; whether a stage was unchanged is worth that moment.
_LAST_LOOKS = 4
# A server that died is started again by the stack, and takes this long on a busy machine.
_SILENCE_SECONDS = 90.0
_COLOURS = {"COMPLETED": "green", "FAILED": "red", "CRASHED": "red", "CANCELLED": "yellow", "RUNNING": "cyan"}
# States that every run passes in a moment.
_PASSING = {"Scheduled", "Pending", "Submitting"}


@dataclass
class WatchedRun:
    """A run and the stages that it has started, by the names of their flows.

    Attributes:
        stages: None for one that is to come.
        unchanged: of those that have completed, as far as Prefect knows yet: whether there was nothing to do.
    """

    flow: str
    run: FlowRun
    stages: dict[str, FlowRun | None]
    unchanged: dict[str, bool] = field(default_factory=dict)

    def text(self, flow: str, run: FlowRun) -> str:
        return f"{run.state_name}, unchanged" if self.unchanged.get(flow) else str(run.state_name)


def watch(prefect: PrefectRuns, run: FlowRun, terminal: Console = console) -> WatchedRun:
    """Show a run until it is over. Returns it as it ended.

    Raises:
        ServiceUnavailableError: Prefect's server was silent for longer than a restart takes.
    """
    flow = prefect.flow_name(run.flow_id)
    # A pipeline's stages are known before they start, so the lines that are still to come are shown too.
    watched = WatchedRun(flow, run, dict.fromkeys(STAGES if flow == "pipeline" else ()))
    with _shown(watched, terminal) as changed:
        silent_since: float | None = None
        last_looks = 0
        while True:
            try:
                all_known = _look(prefect, watched)
                last_looks += watched.run.final
                silent_since = None
            except ServiceUnavailableError:
                silent_since = silent_since or time.monotonic()
                if time.monotonic() - silent_since > _SILENCE_SECONDS:
                    raise
            if silent_since is None and watched.run.final and (all_known or last_looks == _LAST_LOOKS):
                changed()
                return watched
            if not watched.run.final:
                changed()
            time.sleep(_POLL_SECONDS)


def _look(prefect: PrefectRuns, watched: WatchedRun) -> bool:
    """Bring it up to date. Whether all is known of the stages that have ended."""
    # The run before its stages: once it is over, they are.
    watched.run = prefect.read(watched.run.id)
    for child in prefect.children(watched.run.id):
        watched.stages[prefect.flow_name(child.flow_id)] = child
    parts = {watched.flow: watched.run} if watched.flow != "pipeline" else watched.stages
    all_known = True
    for flow, run in parts.items():
        if run is None or not run.completed or flow in watched.unchanged:
            continue
        unchanged = prefect.unchanged(run.id)
        if unchanged is None:
            all_known = False
        else:
            watched.unchanged[flow] = unchanged
    return all_known


@contextmanager
def _shown(watched: WatchedRun, terminal: Console) -> Iterator[Callable[[], None]]:
    """Gives what is to be called after each look."""
    if terminal.is_terminal:
        with Live(get_renderable=lambda: _table(watched), console=terminal, refresh_per_second=8):
            yield lambda: None
    else:
        yield _printer(watched, terminal)


def _printer(watched: WatchedRun, terminal: Console) -> Callable[[], None]:
    """Without a terminal: a line at each change of state."""
    said: dict[str, str | None] = {}

    def say() -> None:
        whole, stages = [(watched.flow, watched.run)], list(watched.stages.items())
        for name, run in [*stages, *whole] if watched.run.final else [*whole, *stages]:
            if run and run.completed and name not in watched.unchanged and not watched.run.final:
                continue  # whether it was unchanged comes in a moment
            if run is not None and run.state_name not in _PASSING and said.get(name) != run.state_name:
                said[name] = run.state_name
                terminal.print(f"  {name:<9} {watched.text(name, run):<20} {run.seconds:6.1f} s")

    return say


def _table(watched: WatchedRun) -> Table:
    table = Table.grid(padding=(0, 1))
    for name, run in {watched.flow: watched.run, **watched.stages}.items():
        if run is None:
            table.add_row(" [dim]·[/dim]", f"[dim]{name}[/dim]", "", "")
            continue
        colour = _COLOURS.get(run.state_type or "", "dim")
        mark = f" [{colour}]{'✓' if run.completed else '✗'}[/{colour}]" if run.final else Spinner("dots", " ")
        seconds = run.seconds or run.wait_seconds
        table.add_row(mark, escape(name), f"[{colour}]{watched.text(name, run)}[/{colour}]", f"{seconds:6.1f} s")
    return table
