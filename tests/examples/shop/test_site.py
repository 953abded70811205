"""The shop's own site: what it sells, who buys, and what it shows of it."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from parsel import Selector
from shop.site.customers import Customers
from shop.site.products import offers
from shop.site.service import Recommended, Service
from shop.site.store import Store

from tests.receiver import receiver


class FakeService:
    """Recommends what the customer likes most, as a perfect model would."""

    def __init__(self, customers: Customers) -> None:
        self._tastes = customers.tastes
        self.told: list[tuple[Recommended, float]] = []

    def recommended(self, customer: int, offered: dict[str, Any], count: int) -> Recommended:
        liked = sorted(offered.values(), key=lambda offer: -self._tastes[customer, offer.category])
        return Recommended([offer for offer in liked if offer.price is not None][:count], str(customer))

    def tell(self, recommended: Recommended, paid: float) -> None:
        self.told.append((recommended, paid))


class _Telling(FakeService):
    """Recommends without a service, and tells a real one."""

    def __init__(self, customers: Customers, service: Service) -> None:
        super().__init__(customers)
        self._service = service

    def tell(self, recommended: Recommended, paid: float) -> None:
        self._service.tell(recommended, paid)


class FakeSilence:
    """A service that cannot answer."""

    def recommended(self, customer: int, offered: dict[str, Any], count: int) -> None:
        return None


@pytest.fixture
def client(shop: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=shop.url, trust_env=False) as client:
        yield client


def test_a_day_is_always_the_same() -> None:
    """The same seed gives the same orders; another one does not."""
    assert Store(days=5, customers=50).orders == Store(days=5, customers=50).orders
    assert Store(days=5, customers=50).orders != Store(days=5, customers=50, seed=1).orders


def test_prices_change_and_say_since_when() -> None:
    """Over a month some prices change, each with the day it did; a price that did not change keeps its day."""
    before, after = ({offer.sku: offer for offer in offers(day, seed=0)} for day in (30, 60))
    changed = {sku for sku in before if before[sku].price != after[sku].price}
    assert 0 < len(changed) < len(before)
    assert changed == {sku for sku in before if before[sku].since != after[sku].since}
    assert after.keys() > before.keys()


def test_next_links_lead_to_every_offer(client: httpx.Client, shop: Any) -> None:
    """Whoever follows the links from the first page sees each product once."""
    seen, path = [], "/catalogue/1"
    while path:
        page = Selector(client.get(path).raise_for_status().text)
        seen += page.css("li.product::attr(data-sku)").getall()
        path = page.css("a[rel=next]::attr(href)").get(default="")
    assert seen == [offer.sku for offer in shop.store.offers]
    assert client.get("/catalogue/99").status_code == 404


def test_a_page_that_did_not_change_is_not_sent_again(client: httpx.Client) -> None:
    """The ETag of a page makes the next answer a 304."""
    etag = client.get("/catalogue/1").headers["ETag"]
    assert client.get("/catalogue/1", headers={"If-None-Match": etag}).status_code == 304
    assert client.get("/catalogue/2", headers={"If-None-Match": etag}).status_code == 200


def test_orders_come_in_pages_after_a_number(client: httpx.Client, shop: Any) -> None:
    """Following ``next`` gives every order once, and ``after`` only later ones."""
    numbers, path = [], "/orders"
    while path:
        page = client.get(path).raise_for_status().json()
        numbers += [order["number"] for order in page["orders"]]
        path = page["next"]
    assert numbers == list(range(1, len(shop.store.orders) + 1))
    assert [order["number"] for order in client.get(f"/orders?after={numbers[-2]}").json()["orders"]] == numbers[-1:]
    assert client.get("/orders?after=yesterday").status_code == 400


def test_metrics_tell_failed_transactions_and_revenue(client: httpx.Client, shop: Any) -> None:
    """The counters are the sums over the orders, by reason and by what was recommended."""
    lines = (line.rpartition(" ") for line in client.get("/metrics").text.splitlines() if not line.startswith("#"))
    found = {name: float(value) for name, _, value in lines}
    reasons = Counter(order.failed for order in shop.store.orders if order.failed)
    assert reasons
    for reason, count in reasons.items():
        assert found[f'shop_transactions_failed_total{{reason="{reason}"}}'] == count
    paid = [order for order in shop.store.orders if order.failed is None]
    assert found["shop_revenue_euros_total"] == pytest.approx(sum(order.price for order in paid))
    revenue = sum(order.price for order in paid if order.recommended)
    assert found['shop_recommendation_revenue_euros_total{by="bestsellers"}'] == pytest.approx(revenue)
    assert found['shop_recommendations_shown_total{by="bestsellers"}'] > len(paid)


def _per_recommendation(store: Store, by: str) -> float:
    value = store.metrics.registry.get_sample_value
    shown = value("shop_recommendations_shown_total", {"by": by})
    return (value("shop_recommendation_revenue_euros_total", {"by": by}) or 0) / shown if shown else 0.0


def test_recommendations_of_a_good_model_earn_more_than_bestsellers() -> None:
    """Customers react to what they are shown: the metric tells a model that knows their tastes from bestsellers."""
    customers = Customers(150, seed=0)
    store = Store(days=20, customers=150, service=FakeService(customers))  # type: ignore[arg-type]
    for _ in range(20):
        store.pass_day()
    assert _per_recommendation(store, "service") > 1.5 * _per_recommendation(store, "bestsellers") > 0


def test_the_service_hears_what_came_of_each_recommendation() -> None:
    """Of every visit, bought or not; together it is what was paid for recommended products."""
    service = FakeService(Customers(150, seed=0))
    store = Store(days=5, customers=150, service=service)  # type: ignore[arg-type]
    before = len(store.orders)
    store.pass_day()
    paid = [order.price for order in store.orders[before:] if order.recommended and order.failed is None]
    told = [euros for _, euros in service.told]
    assert sum(told) == pytest.approx(sum(paid))
    assert 0 in told
    assert sum(told) > 0
    assert len({recommended.prediction for recommended, _ in service.told}) == len(told)


def test_what_came_of_a_visit_is_feedback_in_json() -> None:
    """Prices are NumPy's, which JSON does not know: what the shop sends is a yes or no and a plain number."""
    with receiver() as service:
        told = Service(service.url)
        telling = _Telling(Customers(150, seed=0), told)
        Store(days=3, customers=150, service=telling).pass_day()  # type: ignore[arg-type]
        told.close()
    outcomes = [json.loads(body)["outcome"] for body in service.bodies]
    assert {outcome["bought"] for outcome in outcomes} == {True, False}
    assert all(outcome["bought"] == (outcome["paid"] > 0) for outcome in outcomes)


def test_without_an_answer_bestsellers_are_shown() -> None:
    """A service that is down costs the shop no recommendation."""
    store = Store(days=5, customers=150, service=FakeSilence())  # type: ignore[arg-type]
    store.pass_day()
    assert _per_recommendation(store, "bestsellers") > 0
    assert store.metrics.registry.get_sample_value("shop_recommendations_shown_total", {"by": "service"}) == 0
