"""`sluice new`: a use case to begin with."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Use cases")(new)


def new(
    name: Annotated[str, typer.Argument(help="Its name, in snake_case.", metavar="NAME")],
    kind: Annotated[
        Literal["classifier", "regressor", "recommender"], typer.Option(help="What its model is to do.")
    ] = "classifier",
    data: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="A CSV, TSV, JSON lines or Parquet file to learn the schema from; a made-up one, if not given.",
            metavar="FILE",
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="The column to predict; guessed, if not given.", metavar="COLUMN")
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(help="A column that identifies a row; several, if given again.", metavar="COLUMN"),
    ] = None,
    path: Annotated[Path, typer.Option(help="The folder to write the package's folder into.", metavar="DIR")] = Path(),
) -> None:
    """Write a use case: a Python package with its YAML, steps, contract and test.

    It works as it is. What it guesses from the file, the key, the target and
    the ranges, is marked with GUESS in steps.py. Install the package, check it,
    run it.

    [bold]Examples[/bold]

      sluice new churn --kind classifier
      sluice new rents --kind regressor --from rents.csv --target rent
    """
    from deployments.terminal import console
    from sluice.scaffold import write_package

    written = write_package(name, kind, path, data=data, target=target, key=tuple(key or ()))
    for file in written.paths:
        console.print(f"Wrote {file}", markup=False, soft_wrap=True)
    for guess in written.guesses:
        console.print(f"Guessed: {guess}", markup=False, soft_wrap=True)
    install = f"uv pip install -e {written.folder}"
    console.print(f"Next: {install} && sluice check {name}", markup=False, soft_wrap=True)
