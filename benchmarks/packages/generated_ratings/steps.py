"""Ratings with a known structure, and a model that finds it: cheap steps, each of them real work on every row.

A rating is 3.5 plus what its user and its item add, plus noise, rounded to halves. The model is the baseline predictor
of collaborative filtering (Koren, Bell and Volinsky 2009, equation 3) with the user's part as a feature.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from sklearn.base import BaseEstimator, RegressorMixin

from generated_ratings.schema import KEY, Params, Schema  # type: ignore[import-not-found]  # on the stack's path
from sluice.compute import Compute
from sluice.dataset import Dataset, Partition
from sluice.holdout import is_holdout
from sluice.sources import Source

__all__ = ["KEY", "Params", "Schema", "build_features", "evaluate", "example", "ingest", "split", "train"]
BATCH_ROWS = 250_000
RATINGS_PER_USER = 100
HOLDOUT_SHARE = 0.25
_BAD_EVERY = 1_000


def ingest(source: Source, params: Params, since: str | None) -> Iterator[pl.DataFrame]:
    """``params.rows`` ratings in batches; one in a thousand is out of range."""
    for start in range(0, params.rows, BATCH_ROWS):
        yield ratings(start, min(start + BATCH_ROWS, params.rows), params)


def ratings(start: int, end: int, params: Params) -> pl.DataFrame:
    """Rows ``start`` to ``end``, the same ones whatever batch they come in."""
    row = np.arange(start, end, dtype=np.int64)
    user, nth = np.divmod(row, RATINGS_PER_USER)
    # A step of its own for each user, never a multiple of the prime.
    item = (user * 7_919 + nth * (1 + (user * 31 + params.seed) % (params.items - 1))) % params.items
    noise = np.random.default_rng([params.seed, start]).normal(0, 0.5, len(row))
    rating = np.clip(np.round(2 * (3.5 + 0.6 * np.sin(user) + 0.5 * np.cos(item * 1.7) + noise)) / 2, 0.5, 5.0)
    rating[row % _BAD_EVERY == _BAD_EVERY - 1] = 9.0
    timestamp = 1_500_000_000 + (row * 7_368_787) % 100_000_000
    return pl.DataFrame({"user_id": user, "item_id": item, "rating": rating, "timestamp": timestamp})


def build_features(raw: Dataset, params: Params, compute: Compute) -> Dataset:
    """As movies does it, and the user's mean training rating, for which all rows of a user must be together."""
    return compute.transform(raw, with_features, by=("user_id",))


def with_features(rows: pl.LazyFrame) -> pl.LazyFrame:
    held_out = is_holdout(KEY, HOLDOUT_SHARE)
    validation = is_holdout(KEY[::-1], HOLDOUT_SHARE, salt="validation")
    trained = pl.when(~pl.col("is_holdout")).then("rating")
    return (
        rows.with_columns(is_holdout=held_out, is_validation=validation)
        .with_columns(user_mean=trained.mean().over("user_id").fill_null(3.5))
        .sort("user_id", "timestamp")
    )


def split(features: Dataset, params: Params) -> tuple[Dataset, Dataset]:
    return features.where(~pl.col("is_holdout")), features.where(pl.col("is_holdout"))


class ItemEffects(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """``user_mean`` plus what the item adds; ``effects`` by item id."""

    def __init__(self, effects: Any = None) -> None:
        self.effects = effects

    def predict(self, rows: pd.DataFrame) -> Any:
        return rows["user_mean"].to_numpy() + self.effects[rows["item_id"].to_numpy()]


def train(train: Dataset, params: Params, compute: Compute) -> ItemEffects:
    sums, counts = compute.reduce(_sums, _add, train.partitions(), params.items)
    return ItemEffects(sums / (counts + params.damping))


def _sums(partition: Partition, items: int) -> tuple[Any, Any]:
    found = (
        partition.scan()
        .group_by("item_id")
        .agg(total=(pl.col("rating") - pl.col("user_mean")).sum(), count=pl.len())
        .collect()
    )
    sums, counts = np.zeros(items), np.zeros(items)
    sums[found["item_id"].to_numpy()] = found["total"].to_numpy()
    counts[found["item_id"].to_numpy()] = found["count"].to_numpy()
    return sums, counts


def _add(left: tuple[Any, Any], right: tuple[Any, Any]) -> tuple[Any, Any]:
    return left[0] + right[0], left[1] + right[1]


def example(train: Dataset, params: Params) -> pd.DataFrame:
    return train.scan().select("user_mean", "item_id").head(5).collect().to_pandas()


def evaluate(model: Any, holdout: Dataset, params: Params) -> dict[str, float]:
    rows = holdout.scan().select("user_mean", "item_id", "rating").collect()
    predicted = model.predict(rows.select("user_mean", "item_id").to_pandas())
    return {"rmse": float(np.sqrt(np.mean((predicted - rows["rating"].to_numpy()) ** 2)))}
