"""The shop's steps on its real site: what is scraped and fetched, learnt and measured."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from shop import steps
from shop.steps import KEY, Params, Schema

from sluice.compute import InProcessCompute
from sluice.contracts import validate
from sluice.dataset import Dataset
from sluice.lake import Lake
from sluice.recommenders.model import RecommenderModel
from sluice.settings import Settings
from sluice.sources import open_source
from sluice.use_case import UseCase


class Ingests:
    """Ingests of a use case whose addresses are those of a site, in place of the stage: in one process."""

    def __init__(self, url: str, folder: Path) -> None:
        config = UseCase("shop").config
        here = json.loads(json.dumps(config.model_dump(mode="json")).replace("http://127.0.0.1:8090", url))
        self.params = Params.model_validate({**here["params"], "orders": {**here["params"]["orders"], "rate": 1000}})
        self._source = {**here["source"], "delay": 0}
        self.lake = Lake(str(folder))
        self.since: str | None = None

    def run(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """New rows, which are in the lake then, and refused ones."""
        source = open_source(self._source, use_case="shop", settings=Settings())
        frames = list(steps.ingest(source, self.params, self.since))
        self.since = source.watermark
        verdicts = [validate(frame, Schema, KEY) for frame in frames]
        accepted = pl.concat([verdict.accepted for verdict in verdicts] or [pl.DataFrame()])
        refused = pl.concat([verdict.quarantined for verdict in verdicts] or [pl.DataFrame()])
        latest = self.lake.latest("raw/shop")
        if latest is not None and accepted.height:
            accepted = self.lake.dataset(latest).unknown(accepted, KEY)
        if accepted.height:
            self.lake.write("raw/shop", accepted, key=str(self.since))
        return accepted, refused

    def features(self) -> Dataset:
        raw = self.lake.dataset(self.lake.latest_or_raise("raw/shop"))
        built = steps.build_features(raw, self.params, InProcessCompute(self.lake.staging("features/shop")))
        return self.lake.dataset(self.lake.commit(built, key=str(self.since), mode="overwrite"))


@pytest.fixture
def ingests(shop: Any, tmp_path: Path) -> Ingests:
    return Ingests(shop.url, tmp_path)


@pytest.fixture
def compute(ingests: Ingests) -> InProcessCompute:
    return InProcessCompute(ingests.lake.staging("models/shop"))


def test_the_configuration_is_valid(ingests: Ingests, compute: InProcessCompute) -> None:
    """use_case.yaml is accepted, and its thresholds are metrics that evaluate gives."""
    use_case = UseCase("shop")
    ingests.run()
    train, holdout = steps.split(ingests.features(), ingests.params)
    model = steps.baseline(train, ingests.params, compute)
    assert use_case.config.promote_if.keys() <= steps.evaluate(model, holdout, ingests.params).keys()
    assert {flow: schedule.catch_up for flow, schedule in use_case.config.schedules.items()} == {
        "ingest": "latest",
        "pipeline": "latest",
        "monitor": "latest",
    }


def test_catalogue_and_orders_are_ingested_once(ingests: Ingests, shop: Any) -> None:
    """All offers and orders come, and a second ingest of the same shop brings nothing."""
    rows, _ = ingests.run()
    assert set(rows.filter(kind="offer")["item_id"]) == {o.sku for o in shop.store.offers if o.price is not None}
    assert rows.filter(kind="order").height == len(shop.store.orders)
    assert rows["failed"].count() == sum(order.failed is not None for order in shop.store.orders)
    again, _ = ingests.run()
    assert again.is_empty()


def test_a_product_without_a_price_is_quarantined(ingests: Ingests) -> None:
    """It is refused with its reason, and nothing else is."""
    _, refused = ingests.run()
    assert refused.height == 1
    assert "price" in refused["reason"][0]
    assert "on request" in refused["row"][0]


def test_a_new_price_and_new_orders_come_with_the_next_ingest(ingests: Ingests, shop: Any) -> None:
    """What is new after a day in the shop: the products with another price, at it, and that day's orders."""
    ingests.run()
    before, ordered = set(shop.store.offers), len(shop.store.orders)
    while not (changed := {offer for offer in shop.store.offers if offer not in before}):
        shop.store.pass_day()
    rows, _ = ingests.run()
    offers = rows.filter(kind="offer")
    assert set(offers.select("item_id", "price").iter_rows()) == {(offer.sku, offer.price) for offer in changed}
    assert rows.filter(kind="order").height == len(shop.store.orders) - ordered
    features = ingests.features().read().filter(kind="offer")
    assert features["item_id"].is_unique().all()
    assert set(offers["event_id"]) <= set(features["event_id"])


def test_the_model_beats_bestsellers(ingests: Ingests, compute: InProcessCompute) -> None:
    """Tastes are found again: more of what customers bought, and more revenue a recommendation."""
    ingests.run()
    train, holdout = steps.split(ingests.features(), ingests.params)
    found = steps.evaluate(steps.train(train, ingests.params, compute), holdout, ingests.params)
    simple = steps.evaluate(steps.baseline(train, ingests.params, compute), holdout, ingests.params)
    assert found["recall_at_5"] > 1.3 * simple["recall_at_5"]
    assert found["revenue_per_recommendation"] > 1.2 * simple["revenue_per_recommendation"]


def test_an_unknown_customer_gets_bestsellers(ingests: Ingests, compute: InProcessCompute) -> None:
    """Somebody without orders is told so, and gets what most others bought, with names."""
    ingests.run()
    train, _ = steps.split(ingests.features(), ingests.params)
    model = steps.train(train, ingests.params, compute)
    answer = model.predict(None, pd.DataFrame({"user_id": [1_000_000]}), {"k": 3}).iloc[0]
    assert not answer["known"]
    assert answer["item_ids"] == model.catalogue.item_ids[:3].tolist()
    assert all("& Co." in title for title in answer["titles"])


class FakeModel:
    """Recommends the same to everybody."""

    def __init__(self, *items: str) -> None:
        self._items = list(items)

    def predict(self, asked: pd.DataFrame, params: dict[str, Any]) -> pd.DataFrame:
        return asked.assign(item_ids=[self._items for _ in range(len(asked))])


def _order(user: int, item: str, price: float, failed: str | None = None) -> dict[str, Any]:
    return {"kind": "order", "user_id": user, "item_id": item, "price": price, "failed": failed, "is_holdout": True}


def test_metrics_are_what_they_say(tmp_path: Path) -> None:
    """By hand: two customers, four paid products of which two were recommended, and one payment in five failed."""
    lake = Lake(str(tmp_path))
    orders = [
        *(_order(1, "a", 10), _order(1, "a", 12), _order(1, "b", 5)),
        *(_order(2, "b", 7), _order(2, "c", 1), _order(2, "d", 1), _order(2, "a", 100, "card_declined")),
    ]
    holdout = lake.dataset(lake.write("features/shop", pl.DataFrame(orders), key="by hand"))
    params = Params(orders={}, k=2)
    measured = steps.evaluate(FakeModel("a", "b"), holdout, params)
    assert measured == pytest.approx(
        {
            "recall_at_2": (2 / 2 + 1 / 3) / 2,
            "revenue_per_recommendation": (10 + 12 + 5 + 7) / 4,
            "failed_transactions": 1,
            "failed_share": 1 / 7,
        }
    )
    assert steps.artifacts(FakeModel(), holdout, params) == {"failed_transactions": {"card_declined": 1}}


def test_failed_payments_teach_nothing(tmp_path: Path) -> None:
    """A product whose every payment failed has no customers, and its price is no revenue."""
    offers = [{"kind": "offer", "item_id": item, "title": item, "category": "x", "price": 1.0} for item in "ab"]
    orders = [_order(1, "a", 1.0), _order(2, "a", 1.0), *(_order(user, "b", 1.0, "timeout") for user in range(9))]
    rows = pl.DataFrame([*offers, *orders], infer_schema_length=None).with_columns(is_holdout=pl.lit(False))
    lake = Lake(str(tmp_path))
    train = lake.dataset(lake.write("features/shop", rows, key="by hand"))
    model = steps.baseline(train, Params(orders={}), InProcessCompute(lake.staging("models/shop")))
    assert isinstance(model, RecommenderModel)
    assert dict(zip(model.catalogue.item_ids, model.catalogue.support, strict=True)) == {"a": 2, "b": 0}


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The orders' source reads the settings of its process."""
    monkeypatch.setenv("SLUICE_HOME", str(tmp_path / "home"))
