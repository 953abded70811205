"""As `generated_ratings`, but the rows come from where the source says."""

from collections.abc import Iterator

import polars as pl
from generated_ratings.steps import (  # type: ignore[import-not-found]  # on the path of the stack
    KEY,
    Params,
    Schema,
    build_features,
    evaluate,
    example,
    split,
    train,
)

from sluice.sources import Source

__all__ = ["KEY", "Params", "Schema", "build_features", "evaluate", "example", "ingest", "split", "train"]


def ingest(source: Source, params: Params, since: str | None) -> Iterator[pl.DataFrame]:
    """The lines of the file, every value as text, as in any CSV."""
    return source.read(since)
