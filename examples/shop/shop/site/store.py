"""The shop as it is now: its day, its orders and its figures."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

from shop.site.customers import Choice, Customers
from shop.site.metrics import Metrics
from shop.site.products import FIRST_DAY, Offer, offers
from shop.site.service import Service

_SHOWN = 5  # recommendations a visit
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Order:
    """A payment that was tried; ``failed`` is why it was all there was."""

    number: int
    at: datetime
    customer: int
    sku: str
    price: float
    recommended: bool
    failed: str | None


class Store:
    """Opens after ``days`` days of business, in which bestsellers were recommended.

    Args:
        service: recommends from now on; what it cannot answer is answered with bestsellers.
    """

    def __init__(self, days: int = 60, *, service: Service | None = None, customers: int = 400, seed: int = 0) -> None:
        self.day = 0
        self.orders: list[Order] = []
        self.metrics = Metrics()
        self._seed = seed
        self._customers = Customers(customers, seed)
        self._sold: Counter[str] = Counter()
        self._service: Service | None = None
        self._passing = Lock()
        for _ in range(days):
            self.pass_day()
        self._service = service

    @property
    def offers(self) -> tuple[Offer, ...]:
        return offers(self.day, self._seed)

    def pass_day(self) -> None:
        """Everybody who comes today buys; then it is tomorrow, with tomorrow's prices."""
        with self._passing:
            offered = {offer.sku: offer for offer in self.offers}
            best = [offered[sku] for sku, _ in self._sold.most_common(_SHOWN)]
            visitors = self._customers.visitors(self.day)
            for place, customer in enumerate(visitors):
                recommended = self._service.recommended(customer, offered, _SHOWN) if self._service else None
                by, shown = ("service", recommended.offers) if recommended else ("bestsellers", best)
                self.metrics.shown(len(shown), by)
                at = FIRST_DAY + (self.day + (place + 1) / (len(visitors) + 1)) * _DAY
                choices = list(self._customers.choices(customer, self.day, self.offers, shown))
                for choice in choices:
                    self._take(choice, customer, at, by)
                if self._service and recommended:
                    self._service.tell(recommended, float(sum(map(_paid, choices))))
            self.day += 1

    def _take(self, choice: Choice, customer: int, at: datetime, by: str) -> None:
        self.metrics.tried(choice, by)
        sku, price = choice.offer.sku, choice.offer.price or 0.0
        if choice.failure is None:
            self._sold[sku] += 1
        number = len(self.orders) + 1
        self.orders.append(Order(number, at, customer, sku, price, choice.recommended, choice.failure))


def _paid(choice: Choice) -> float:
    """For a product because it was recommended."""
    return (choice.offer.price or 0.0) if choice.recommended and choice.failure is None else 0.0
