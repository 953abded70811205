"""What is particular to movie ratings. The algorithms are in `sluice.recommenders`."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import pandera.polars as pa
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from sluice.compute import Compute
from sluice.dataset import Dataset, Partition
from sluice.holdout import is_holdout
from sluice.point_in_time import known_before
from sluice.recommenders import als, ease, ease_search, metrics
from sluice.recommenders.als import AlsOptions
from sluice.recommenders.catalogue import Catalogue
from sluice.recommenders.ease import EaseOptions
from sluice.recommenders.ease_search import EaseGrid
from sluice.recommenders.gram import Gram
from sluice.recommenders.histories import Histories
from sluice.recommenders.interactions import Ids, Interactions
from sluice.recommenders.model import RecommenderModel
from sluice.recommenders.popularity import Popularity
from sluice.recommenders.top_k import NONE
from sluice.sources import Source

KEY = ("user_id", "item_id")
TIME = "timestamp"
ENTITY = "user_id"
BATCH_ROWS = 25_000
# A Gram matrix costs more than a task does, so a partition here may be smaller than elsewhere.
_PARTITION_ROWS = 10_000
# Of the page that shows an evaluation.
_LENGTHS = (1, 3, 5, 10, 20)
_SHOWN_USERS = 10_000
_EXAMPLES = 5
_EXAMPLE_TITLES = 10
_RENAMED = {"userId": "user_id", "movieId": "item_id", "user": "user_id", "item": "item_id"}


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    k: int = Field(10, ge=1, description="length of the list that metrics look at")
    holdout_share: float = Field(0.25, gt=0, lt=1, description="of each user's ratings, kept for evaluate")
    validation_share: float = Field(0.25, gt=0, lt=1, description="of the training ratings, kept for search")
    algorithm: Literal["auto", "ease", "als"] = Field("auto", description="auto: EASE up to als_above items")
    als_above: int = Field(20_000, ge=1, description="items from which auto takes implicit ALS")
    min_support: int = Field(5, ge=1, description="training ratings that an item needs before EASE weighs it")
    ease: EaseOptions = EaseOptions()
    als: AlsOptions = AlsOptions()
    search: EaseGrid = EaseGrid()
    seed: int = 0


class Schema(pa.DataFrameModel):
    """One rating. ``timestamp`` is in seconds since 1970, UTC."""

    user_id: pl.Int64
    item_id: pl.Int64
    rating: pl.Float64 = pa.Field(ge=0.5, le=5.0)
    timestamp: pl.Int64 = pa.Field(ge=0)
    title: pl.String = pa.Field(nullable=True)
    genres: pl.String = pa.Field(nullable=True)


def ingest(source: Source, params: Params, since: str | None) -> Iterator[pl.DataFrame]:
    """All rows of the source, as they come but for column names and the year, which goes into the title.

    ``since`` is not used: a file may bring an old rating late, and ratings that are known are left out by their key.
    """
    for frame in source.read(since):
        renamed = frame.rename({old: new for old, new in _RENAMED.items() if old in frame.columns})
        if "year" in renamed.columns and "title" in renamed.columns:
            year = pl.col("year").cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
            renamed = renamed.with_columns(pl.coalesce(pl.format("{} ({})", "title", year), "title").alias("title"))
        yield from renamed.select(name for name in Schema.to_schema().columns if name in renamed.columns).iter_slices(
            BATCH_ROWS
        )


def build_features(raw: Dataset, params: Params, compute: Compute) -> Dataset:
    """The ratings with ``is_holdout`` and ``is_validation``, and what was known of the user before each of them.

    A user's rows are all in one partition.
    """
    return compute.transform(raw, _Flags(params.holdout_share, params.validation_share), by=("user_id",))


class _Flags:
    def __init__(self, holdout_share: float, validation_share: float) -> None:
        self._holdout_share, self._validation_share = holdout_share, validation_share

    def __call__(self, ratings: pl.LazyFrame) -> pl.LazyFrame:
        held_out = is_holdout(KEY, self._holdout_share)
        # Another order of the key is another hash: the two flags must not depend on each other.
        validation = is_holdout(KEY[::-1], self._validation_share, salt="validation")
        flagged = ratings.with_columns(is_holdout=held_out, is_validation=validation)
        return _user_features(ratings, flagged).sort("user_id", "timestamp")


def _user_features(ratings: pl.LazyFrame, moments: pl.LazyFrame) -> pl.LazyFrame:
    """``moments`` (user_id, timestamp, …) with how many ratings the user had given before, and their mean."""
    means = {"user_mean_before": "rating"}
    return known_before(ratings, moments, by=ENTITY, time=TIME, count="user_ratings_before", means=means)


def online(features: Dataset, params: Params) -> pl.DataFrame:
    """The features of each user as they are after the last rating."""
    ratings = features.scan()
    now = ratings.group_by(ENTITY).agg(pl.col(TIME).max() + 1)
    return (
        _user_features(ratings, now)
        .collect()
        .rename({"user_ratings_before": "ratings", "user_mean_before": "mean_rating", TIME: "known_until"})
    )


def split(features: Dataset, params: Params) -> tuple[Dataset, Dataset]:
    return features.where(~pl.col("is_holdout")), features.where(pl.col("is_holdout"))


def search(train: Dataset, params: Params, compute: Compute) -> Params:
    """The hyper-parameters with the best nDCG on a part of the training ratings, one task a fit."""
    if _algorithm(_catalogue(train), params) != "ease" or params.search.size == 1:
        return params
    ratings = train.scan().select(*KEY, "is_validation").collect()
    inner = _interactions(ratings.filter(~pl.col("is_validation"))).by_popularity()
    validation = _interactions(ratings.filter("is_validation"), users=inner.users, items=inner.items).matrix
    scored = compute.search(
        ease_search.score,
        params.search.candidates(),
        inner,
        validation,
        params.search.min_support,
        params.search.popularity_power,
        params.k,
    )
    return params.model_copy(update={"ease": ease_search.best(scored, params.ease)})


def train(train: Dataset, params: Params, compute: Compute) -> RecommenderModel:
    """EASE or implicit ALS over the training ratings, with what a server needs around it."""
    catalogue = _catalogue(train)
    histories = _histories(train, catalogue)
    if _algorithm(catalogue, params) == "als":
        fitted = als.fit(Interactions(histories.users, catalogue.item_ids, histories.trained), params.als, params.seed)
        return RecommenderModel(catalogue, histories, fitted)
    gram = compute.reduce(
        _gram,
        Gram.__add__,
        train.partitions(min_rows=_PARTITION_ROWS),
        catalogue.item_ids,
        catalogue.supported(params.min_support),
        params.ease.history_power,
    )
    return RecommenderModel(catalogue, histories, ease.fit(gram, catalogue.support, params.ease))


def baseline(train: Dataset, params: Params, compute: Compute) -> RecommenderModel:
    """Popular items for everybody."""
    catalogue = _catalogue(train)
    histories = _histories(train, catalogue)
    return RecommenderModel(catalogue, histories, Popularity.of(catalogue.support, len(histories.users)))


def example(train: Dataset, params: Params) -> pd.DataFrame:
    """Some users of the training data, as a caller would ask for them."""
    users = train.scan().select("user_id").head(1_000).unique(maintain_order=True).head(5).collect()
    return users.to_pandas()


def evaluate(model: Any, holdout: Dataset, params: Params) -> dict[str, float]:
    """nDCG, MAP, precision and recall at k over users with held-out ratings, coverage and novelty.

    Catalogue and popularity come from the features table and not from the model, so that champion and challenger are
    measured with one ruler.
    """
    catalogue = _catalogue(holdout)
    held_out = _interactions(holdout.scan().select(KEY).collect(), items=catalogue.item_ids)
    answer = _ask(model, held_out.users, params.k)
    positions = _positions(answer["item_ids"], catalogue.item_ids, params.k)
    scores = metrics.evaluate(positions, held_out.matrix, catalogue.support, _training_users(holdout))
    return {f"{name}_at_{params.k}": value for name, value in scores.items()}


def artifacts(model: Any, holdout: Dataset, params: Params) -> dict[str, Any]:
    """``ranking``: the metrics at several lengths of the list; ``examples``: what some users get, and what they liked.

    Over the first 10,000 users with held-out ratings: of more, the lists would take longer to make than the metrics.
    """
    catalogue = _catalogue(holdout)
    held_out = _interactions(holdout.scan().select(KEY).sort(KEY).collect(), items=catalogue.item_ids)
    users, chosen = held_out.users[:_SHOWN_USERS], held_out.matrix[:_SHOWN_USERS]
    lengths = sorted({*_LENGTHS, params.k})
    answer = _ask(model, users, lengths[-1])
    positions = _positions(answer["item_ids"], catalogue.item_ids, lengths[-1])
    known_by = _training_users(holdout)
    ranking = [{"k": k, **metrics.evaluate(positions[:, :k], chosen, catalogue.support, known_by)} for k in lengths]
    return {"ranking": ranking, "examples": _examples(answer, holdout)}


def _ask(model: Any, users: Ids, k: int) -> pd.DataFrame:
    """Lists of length k, of items that were held out too."""
    asked = pd.DataFrame({"user_id": users})
    options = {"k": k, "include_holdout": True}
    # A baseline comes as it was fitted, without MLflow's wrapper around it.
    own = isinstance(model, RecommenderModel)
    answer: pd.DataFrame = model.predict(None, asked, options) if own else model.predict(asked, params=options)
    return answer


def _training_users(holdout: Dataset) -> int:
    return _everything(holdout).scan().filter(~pl.col("is_holdout")).select("user_id").unique().collect().height


def _examples(answer: pd.DataFrame, holdout: Dataset) -> list[dict[str, Any]]:
    """Some of the users who were asked, from all over them: titles they rated highest, and their list."""
    rows = answer.iloc[:: max(1, len(answer) // _EXAMPLES)].head(_EXAMPLES).to_dict(orient="records")
    of_them = _everything(holdout).scan().filter(pl.col("user_id").is_in([row["user_id"] for row in rows])).collect()
    examples = []
    for row in rows:
        rated = of_them.filter(pl.col("user_id") == row["user_id"])
        best = rated.filter(~pl.col("is_holdout")).sort("rating", TIME, descending=True).head(_EXAMPLE_TITLES)
        held_out = set(rated.filter("is_holdout")["item_id"])
        items = zip(row["item_ids"], row["titles"], row["scores"], strict=True)
        examples.append(
            {
                "user_id": row["user_id"],
                "liked": best.select(pl.coalesce("title", pl.format("item {}", "item_id"))).to_series().to_list(),
                "items": [
                    {"item_id": item, "title": title, "score": round(float(score), 6), "held_out": item in held_out}
                    for item, title, score in items
                ][:_EXAMPLE_TITLES],
            }
        )
    return examples


def _algorithm(catalogue: Catalogue, params: Params) -> str:
    if params.algorithm != "auto":
        return params.algorithm
    return "als" if catalogue.supported(params.min_support) > params.als_above else "ease"


def _everything(part: Dataset) -> Dataset:
    """The features version that ``part`` is a part of."""
    return replace(part, predicate=None)


def _catalogue(part: Dataset) -> Catalogue:
    items = (
        _everything(part)
        .scan()
        .group_by("item_id")
        .agg(pl.col("title", "genres").drop_nulls().first(), support=(~pl.col("is_holdout")).sum())
    )
    return Catalogue.of(items.collect())


def _histories(part: Dataset, catalogue: Catalogue) -> Histories:
    ratings = _everything(part).scan().select(*KEY, "is_holdout").sort(KEY).collect()
    rated = _interactions(ratings, items=catalogue.item_ids)
    trained = _interactions(ratings.filter(~pl.col("is_holdout")), users=rated.users, items=rated.items)
    return Histories(rated.users, trained.matrix, rated.matrix)


def _interactions(ratings: pl.DataFrame, users: Ids | None = None, items: Ids | None = None) -> Interactions:
    return Interactions.from_ids(ratings["user_id"].to_numpy(), ratings["item_id"].to_numpy(), users=users, items=items)


def _gram(partition: Partition, items: Ids, supported: int, history_power: float) -> Gram:
    ratings = partition.scan().select(KEY).collect()
    return Gram.of(_interactions(ratings, items=items), supported, history_power)


def _positions(item_ids: "pd.Series[Any]", items: Ids, k: int) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Lists of ids as positions, shape (users, k); `NONE` after the end of a list, and for an item not in ``items``."""
    index = pd.Index(items)
    positions = np.full((len(item_ids), k), NONE, dtype=np.int64)
    for row, ids in enumerate(item_ids):
        positions[row, : len(ids)] = index.get_indexer(pd.Index(ids, dtype=index.dtype))
    return positions
