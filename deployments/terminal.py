"""What commands print: one console, errors, and lines with a clock for what takes time."""

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table

from deployments.errors import ExtraMissingError
from deployments.extras import EXTRAS

# In a pipe or a log file there is no width to keep to: a line is a line.
_NO_WIDTH = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 200
console = Console(highlight=False, width=_NO_WIDTH)
errors = Console(stderr=True, highlight=False)


def print_error(error: Exception) -> None:
    """One line for a person: what happened, to which thing, what to do."""
    if isinstance(error, ModuleNotFoundError):
        module = (error.name or "").partition(".")[0]
        if module not in EXTRAS:
            raise error
        error = ExtraMissingError(module=module, extra=EXTRAS[module])
    errors.print(f"[bold red]error[/bold red] {escape(str(error))}", soft_wrap=True)


def print_json(content: Any) -> None:
    """For a script: JSON and nothing else on standard output."""
    print(json.dumps(content, indent=2, default=str))  # noqa: T201 Rich would wrap and colour it


def titled_table(*columns: str, title: str | None = None) -> Table:
    """A table without lines."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


class Clocks:
    """Named lines, each with a clock that runs until the line is done. Without a terminal: a line when one is done."""

    def __init__(self, names: Sequence[str]) -> None:
        self._width = max(map(len, names), default=0)
        self._start = time.monotonic()
        self._begun: dict[str, float] = dict.fromkeys(names, self._start)
        self._done: dict[str, tuple[str, float]] = {}
        self._live: Live | None = None

    def begin(self, name: str) -> None:
        """Start a line that was not there at first, or its clock anew."""
        self._width = max(self._width, len(name))
        self._begun[name] = time.monotonic()

    def done(self, name: str, text: str = "ready", seconds: float | None = None) -> None:
        taken = time.monotonic() - self._begun[name] if seconds is None else seconds
        self._done[name] = (text, taken)
        if self._live is None:
            console.print(f"  {escape(name):<{self._width}} {text} {taken:6.1f} s")

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start

    @contextmanager
    def shown(self) -> Iterator["Clocks"]:
        if not console.is_terminal:
            yield self
            return
        with Live(get_renderable=self._table, console=console, refresh_per_second=8) as live:
            self._live = live
            yield self

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 1))
        now = time.monotonic()
        for name, begun in self._begun.items():
            if name in self._done:
                text, taken = self._done[name]
                table.add_row(" [green]✓[/green]", escape(name), text, f"{taken:6.1f} s")
            else:
                table.add_row(Spinner("dots", " "), escape(name), "", f"{now - begun:6.1f} s")
        return table
