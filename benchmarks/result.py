"""What a benchmark found: tables for a person, one JSON file for the repository."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table as RichTable

from benchmarks.machine import machine
from benchmarks.spread import Spread

RESULTS = Path(__file__).parent / "results"
Cell = Spread | float | int | str | None


class Target(BaseModel):
    """A bound that was set before anything was measured: the figure is ``below`` it, or ``at_least`` it."""

    name: str
    measured: float
    below: float | None = None
    at_least: float | None = None
    unit: str = ""

    @property
    def met(self) -> bool:
        high = self.below is None or self.measured < self.below
        return high and (self.at_least is None or self.measured >= self.at_least)

    def __str__(self) -> str:
        verdict = "met" if self.met else "MISSED"
        bound = f"under {self.below:g}" if self.below is not None else f"at least {self.at_least:g}"
        return f"{verdict:<6}  {self.name}: {self.measured:.2f}{self.unit}, target {bound}{self.unit}"


class Table(BaseModel):
    """Rows of one comparison. The first column says what a row is."""

    title: str
    columns: list[str]
    rows: list[list[Cell]]

    def rendered(self) -> RichTable:
        table = RichTable(*self.columns, title=self.title, title_justify="left", title_style="bold")
        for column in table.columns[1:]:
            column.justify = "right"
        for row in self.rows:
            table.add_row(*("" if cell is None else _text(cell) for cell in row))
        return table


class Result(BaseModel):
    """One run of one benchmark.

    Attributes:
        quick: measured on less data than the figures are meant for: never committed.
        details: raw measurements behind the tables.
    """

    benchmark: str
    title: str
    quick: bool = False
    targets: list[Target] = []
    tables: list[Table]
    notes: list[str] = []
    details: dict[str, Any] = {}
    machine: dict[str, Any] = {}

    def print(self, console: Console | None = None) -> None:
        console = console or Console(width=120, highlight=False)
        console.print(f"\n{self.title}", style="bold underline", markup=False)
        for table in self.tables:
            console.print(table.rendered())
        for line in [*self.notes, *map(str, self.targets)]:
            console.print(line, markup=False)

    def write(self, folder: Path = RESULTS) -> Path:
        """To ``<folder>/<benchmark>.json``, with the machine it was measured on; gives the file."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.benchmark}.json"
        complete = self.model_copy(update={"machine": self.machine or machine()})
        content: dict[str, Any] = complete.model_dump(mode="json")
        for target, kept in zip(content["targets"], self.targets, strict=True):
            target["met"] = kept.met
        path.write_text(_json(content), encoding="utf-8")
        return path


def ratio(ours: Spread, peer: Spread) -> float:
    """Of the medians."""
    return ours.median / peer.median


def _text(cell: Spread | float | int | str) -> str:
    return f"{cell:,.2f}" if isinstance(cell, float) else f"{cell:,}" if isinstance(cell, int) else str(cell)


def _json(content: dict[str, Any]) -> str:
    import json

    def rounded(value: Any) -> Any:
        if isinstance(value, float):
            return round(value, 4)
        if isinstance(value, dict):
            return {key: rounded(inner) for key, inner in value.items()}
        if isinstance(value, Sequence) and not isinstance(value, str):
            return [rounded(inner) for inner in value]
        return value

    return json.dumps(rounded(content), indent=2, ensure_ascii=False) + "\n"
