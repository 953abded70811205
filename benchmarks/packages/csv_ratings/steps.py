"""As `generated_ratings`, but the rows come from where the source says.

What only training needs is imported when something is trained: a worker that ingests has no scikit-learn in memory.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import polars as pl
from generated_ratings.schema import KEY, Params, Schema  # type: ignore[import-not-found]  # on the stack's path

from sluice.compute import Compute
from sluice.dataset import Dataset
from sluice.sources import Source

__all__ = ["KEY", "Params", "Schema", "build_features", "evaluate", "ingest", "split", "train"]


def _generated() -> Any:
    return import_module("generated_ratings.steps")


def ingest(source: Source, params: Params, since: str | None) -> Iterator[pl.DataFrame]:
    """The lines of the file, every value as text, as in any CSV."""
    return source.read(since)


def build_features(raw: Dataset, params: Params, compute: Compute) -> Any:
    return _generated().build_features(raw, params, compute)


def split(features: Dataset, params: Params) -> Any:
    return _generated().split(features, params)


def train(train: Dataset, params: Params, compute: Compute) -> Any:
    return _generated().train(train, params, compute)


def evaluate(model: Any, holdout: Dataset, params: Params) -> Any:
    return _generated().evaluate(model, holdout, params)
