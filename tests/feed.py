"""A use case that reads files, in a folder, as if it were installed there."""

from pathlib import Path

YAML = """\
name: {name}
title: Rows of files
owner: tests
source: {{kind: file, path: "{path}"}}
promote_if: {{}}
quarantine: {{max_share: 1.0}}
checks: {{row_count: {{action: "off"}}}}
{more}"""
STEPS = '''\
"""Rows with a number and a name."""

import pandera.polars as pa
from pydantic import BaseModel

KEY = ("id",)


class Params(BaseModel):
    pass


class Schema(pa.DataFrameModel):
    id: int
    name: str


def ingest(source, params, since):
    yield from source.read(since)


def build_features(raw, params, compute): ...
def split(features, params): ...
def train(train, params, compute): ...
def evaluate(model, holdout, params): ...
'''


def install(folder: Path, path: str, name: str = "feed", more: str = "") -> None:
    """The package and its metadata; its source reads the files that ``path`` matches. ``more``: lines of its YAML."""
    package = folder / name
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "use_case.yaml").write_text(YAML.format(name=name, path=path, more=more))
    (package / "steps.py").write_text(STEPS)
    information = folder / f"{name}-0.1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")
    (information / "entry_points.txt").write_text(f"[sluice.use_cases]\n{name} = {name}\n")
