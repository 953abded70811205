"""Writes the package."""

import getpass
import json
import keyword
import re
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import Literal

import polars as pl

from sluice.errors import SourceInvalidError
from sluice.scaffold.refusal import ScaffoldRefusedError
from sluice.scaffold.samples import sample_csv
from sluice.scaffold.steps import Steps, steps_of
from sluice.settings import Settings
from sluice.sources import open_source
from sluice.use_case import discover

Kind = Literal["classifier", "regressor", "recommender"]
_ROWS = 100_000
_SEPARATORS = (None, ";", "\t", "|")


@dataclass(frozen=True)
class Written:
    """Attributes:
    folder: of the project.
    guesses: what was guessed, one line each.
    """

    folder: Path
    paths: tuple[Path, ...]
    guesses: tuple[str, ...]


def write_package(
    name: str,
    kind: Kind,
    parent: Path,
    *,
    data: Path | None = None,
    target: str | None = None,
    key: tuple[str, ...] = (),
    settings: Settings | None = None,
) -> Written:
    """Write a project into the folder ``name`` below ``parent``: use_case.yaml, steps.py, a test, pyproject.toml.

    Args:
        data: a file that a source of the kind ``file`` can read; without it a small one is written too.
        target: the column to predict, under its name in the file; guessed if it is not given.
        key: the columns that identify a row, in the same way.

    Raises:
        ScaffoldRefusedError: the name or the folder is taken, or the file has no columns for this kind.
        SourceInvalidError, SourceUnavailableError: the file cannot be read.
    """
    project = parent.expanduser().resolve() / name
    _require_free(name, project)
    if data is not None and not data.expanduser().is_file():
        hint = "Name one that there is: --from customers.csv"
        raise ScaffoldRefusedError(name=name, problem=f"there is no file {data}", hint=hint)
    sample = None if data else project / f"{name}.csv"
    source: dict[str, str] = {"kind": "file", "path": str(sample or data.expanduser().resolve())}  # type: ignore[union-attr]
    if sample is not None:
        frame = pl.read_csv(sample_csv(kind).encode(), infer_schema=False)
    else:
        frame, source = _first_rows(source, settings or Settings.load())
    if frame.is_empty():
        hint = "Name a file with a header and rows: --from customers.csv"
        raise ScaffoldRefusedError(name=name, problem=f"{data} has no rows", hint=hint)
    steps = steps_of(kind, name, frame, origin=Path(source["path"]).name, target=target, key=key)
    paths = _write(project, name, kind, source, steps)
    if sample is not None:
        sample.write_text(sample_csv(kind), encoding="utf-8")
        paths.append(sample)
    return Written(project, tuple(paths), steps.guesses)


def _require_free(name: str, project: Path) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        hint = "Use small letters, digits and underscores, a letter first: sluice new churn_2026"
        raise ScaffoldRefusedError(name=name, problem="that is no name for a use case", hint=hint)
    if name in discover() or find_spec(name) is not None:
        hint = "Choose another name"
        raise ScaffoldRefusedError(name=name, problem="a use case or module of that name is installed", hint=hint)
    if project.exists():
        hint = "Choose another name or --path, or remove it"
        raise ScaffoldRefusedError(name=name, problem=f"{project} exists", hint=hint)


def _first_rows(source: dict[str, str], settings: Settings) -> tuple[pl.DataFrame, dict[str, str]]:
    """The first rows of the file, and the source with the separator that it has."""
    first_error: SourceInvalidError | None = None
    for separator in _SEPARATORS:
        tried = source if separator is None else {**source, "separator": separator}
        try:
            return _head(tried, settings), tried
        except SourceInvalidError as error:
            first_error = first_error or error
    assert first_error is not None
    raise first_error


def _head(source: dict[str, str], settings: Settings) -> pl.DataFrame:
    taken: list[pl.DataFrame] = []
    for batch in open_source(source, settings=settings).read(None):
        taken.append(batch.head(_ROWS - sum(frame.height for frame in taken)))
        if sum(frame.height for frame in taken) >= _ROWS:
            break
    return pl.concat(taken, how="diagonal_relaxed") if taken else pl.DataFrame()


def _write(project: Path, name: str, kind: Kind, source: dict[str, str], steps: Steps) -> list[Path]:
    values = {
        "name": name,
        "title": name.replace("_", " ").capitalize(),
        "owner": f"{getpass.getuser()}@example.com",
        "source": ", ".join(f"{key}: {json.dumps(value)}" for key, value in source.items()),
        "promote_if": steps.promote_if,
    }
    contents = {
        project / "pyproject.toml": _template("pyproject.toml").substitute(values),
        project / name / "__init__.py": f'"""{values["title"]}: a use case of Sluice."""\n',
        project / name / "use_case.yaml": _template("use_case.yaml").substitute(values),
        project / name / "steps.py": _template(f"{kind}.py").substitute(steps.values),
        project / "tests" / f"test_{name}.py": _template("test.py").substitute(values),
    }
    for path, content in contents.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return list(contents)


def _template(name: str) -> Template:
    return Template(files("sluice.scaffold").joinpath(f"templates/{name}.template").read_text(encoding="utf-8"))
