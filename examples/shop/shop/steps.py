"""The online shop's steps. A row is something that happened: a product was offered at a price, or somebody ordered."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pandas as pd
import pandera.polars as pa
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from sluice.compute import Compute
from sluice.dataset import Dataset
from sluice.holdout import is_holdout
from sluice.recommenders import ease
from sluice.recommenders.catalogue import Catalogue
from sluice.recommenders.ease import EaseOptions
from sluice.recommenders.gram import Gram
from sluice.recommenders.histories import Histories
from sluice.recommenders.interactions import Ids, Interactions
from sluice.recommenders.model import RecommenderModel
from sluice.recommenders.popularity import Popularity
from sluice.sources import Source, open_source

KEY = ("event_id",)
TIME = "at"
_PAIR = ("user_id", "item_id")
_IS_ORDER, _IS_PAID = pl.col("kind") == "order", (pl.col("kind") == "order") & pl.col("failed").is_null()


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    k: int = Field(5, ge=1, description="length of a list of recommendations")
    holdout_share: float = Field(0.2, gt=0, lt=1, description="of the pairs of a customer and a product")
    min_support: int = Field(3, ge=1, description="customers that a product needs before EASE weighs it")
    ease: EaseOptions = EaseOptions(l2=100)
    orders: dict[str, Any] = Field(description="the source of the orders, written as source: is")


class Schema(pa.DataFrameModel):
    """An offer has a title and a category, an order a user and, if it was not paid, a reason in ``failed``."""

    event_id: pl.String
    kind: pl.String = pa.Field(isin=["offer", "order"])
    at: pl.Int64 = pa.Field(ge=0, description="seconds since 1970, UTC")
    item_id: pl.String
    price: pl.Float64 = pa.Field(gt=0, description="euros")
    title: pl.String = pa.Field(nullable=True)
    category: pl.String = pa.Field(nullable=True)
    user_id: pl.Int64 = pa.Field(nullable=True)
    recommended: pl.Boolean = pa.Field(nullable=True)
    failed: pl.String = pa.Field(nullable=True)


def ingest(source: Source, params: Params, since: str | None) -> Iterator[pl.DataFrame]:
    """What is new in the catalogue and among the orders; the watermark is that of both."""
    before = json.loads(since or "{}")
    orders = open_source(params.orders, use_case="shop")
    orders.malformed = source.malformed  # the one list that is looked at
    for page in source.read(before.get("catalogue")):
        yield _offers(page)
    for batch in orders.read(before.get("orders")):
        yield _orders(batch)
    source.watermark = json.dumps({"catalogue": source.watermark, "orders": orders.watermark})


def _offers(page: pl.DataFrame) -> pl.DataFrame:
    nothing = pl.lit(None, pl.String)
    return page.select(
        event_id=pl.format("{} since {}", "sku", "since"),
        kind=pl.lit("offer"),
        at=pl.col("since").str.to_datetime("%Y-%m-%d", time_zone="UTC", strict=False).dt.epoch("s"),
        item_id="sku",
        price=pl.col("price").str.strip_suffix(" €"),
        title="name",
        category="category",
        user_id=nothing,
        recommended=nothing,
        failed=nothing,
    )


def _orders(batch: pl.DataFrame) -> pl.DataFrame:
    nothing = pl.lit(None, pl.String)
    return batch.select(
        event_id=pl.format("order {}", "number"),
        kind=pl.lit("order"),
        at=pl.col("at").str.to_datetime("%+", time_zone="UTC", strict=False).dt.epoch("s"),
        item_id="sku",
        price="price",
        title=nothing,
        category=nothing,
        user_id="customer",
        recommended="recommended",
        failed="failed",
    )


def build_features(raw: Dataset, params: Params, compute: Compute) -> Dataset:
    """Every order with ``is_holdout``, and the offer of each product that holds now."""
    return compute.transform(raw, _Flag(params.holdout_share), by=("item_id",))


class _Flag:
    def __init__(self, holdout_share: float) -> None:
        self._holdout_share = holdout_share

    def __call__(self, events: pl.LazyFrame) -> pl.LazyFrame:
        is_latest = pl.col("at") == pl.col("at").max().over("item_id", "kind")
        held_out = _IS_ORDER & is_holdout(_PAIR, self._holdout_share)
        return events.filter(_IS_ORDER | is_latest).with_columns(is_holdout=held_out)


def split(features: Dataset, params: Params) -> tuple[Dataset, Dataset]:
    return features.where(~pl.col("is_holdout")), features.where(pl.col("is_holdout"))


def train(train: Dataset, params: Params, compute: Compute) -> RecommenderModel:
    """EASE over who bought what."""
    catalogue, histories = _knowledge(train)
    interactions = Interactions(histories.users, catalogue.item_ids, histories.trained)
    gram = Gram.of(interactions, catalogue.supported(params.min_support), params.ease.history_power)
    return RecommenderModel(catalogue, histories, ease.fit(gram, catalogue.support, params.ease))


def baseline(train: Dataset, params: Params, compute: Compute) -> RecommenderModel:
    """Bestsellers for everybody."""
    catalogue, histories = _knowledge(train)
    return RecommenderModel(catalogue, histories, Popularity.of(catalogue.support, len(histories.users)))


def example(train: Dataset, params: Params) -> pd.DataFrame:
    return train.scan().filter(_IS_PAID).select("user_id").head(3).collect().to_pandas()


def evaluate(model: Any, holdout: Dataset, params: Params) -> dict[str, float]:
    """Recommendations that customers went on to buy, what they paid for those, and payments that failed."""
    orders = holdout.read()
    bought = orders.filter(_IS_PAID).group_by(_PAIR).agg(pl.col("price").sum())
    asked = pd.DataFrame({"user_id": bought["user_id"].unique().sort().to_numpy()})
    options = {"k": params.k, "include_holdout": True}
    own = isinstance(model, RecommenderModel)  # a baseline comes without MLflow's wrapper around it
    answer = model.predict(None, asked, options) if own else model.predict(asked, params=options)
    lists = {"user_id": asked["user_id"].tolist(), "item_id": answer["item_ids"].tolist()}
    shown = pl.DataFrame(lists, schema_overrides={"item_id": pl.List(pl.String)}).explode("item_id").drop_nulls()
    found = bought.join(shown.with_columns(hit=True), on=_PAIR, how="left").with_columns(pl.col("hit").fill_null(False))
    revenue = found.filter("hit")["price"].sum()
    recall = found.group_by("user_id").agg(pl.col("hit").mean())["hit"].to_numpy().mean()
    return {
        f"recall_at_{params.k}": float(recall),
        "revenue_per_recommendation": float(revenue) / max(shown.height, 1),
        "failed_transactions": float(orders["failed"].count()),
        "failed_share": float(orders["failed"].count()) / max(orders.height, 1),
    }


def artifacts(model: Any, holdout: Dataset, params: Params) -> dict[str, Any]:
    """Why payments failed, and how often."""
    reasons = holdout.read()["failed"].drop_nulls().value_counts(sort=True)
    return {"failed_transactions": dict(reasons.iter_rows())}


def _knowledge(part: Dataset) -> tuple[Catalogue, Histories]:
    """The products on offer and who bought them, of the whole features version that ``part`` is a part of."""
    events = replace(part, predicate=None).read()
    paid = events.filter(_IS_PAID)
    trained = paid.filter(~pl.col("is_holdout"))
    support = trained.group_by("item_id").agg(support=pl.col("user_id").n_unique())
    offers = events.filter(~_IS_ORDER).select("item_id", "title", genres="category").join(support, "item_id", "left")
    catalogue = Catalogue.of(offers.with_columns(pl.col("support").fill_null(0)))
    users = paid["user_id"].unique().sort().to_numpy()
    return catalogue, Histories(users, *(_matrix(pairs, users, catalogue.item_ids) for pairs in (trained, paid)))


def _matrix(pairs: pl.DataFrame, users: Ids, items: Ids) -> Any:
    return Interactions.from_ids(*(pairs[name].to_numpy() for name in _PAIR), users=users, items=items).matrix
