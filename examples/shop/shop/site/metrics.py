"""What the shop tells Prometheus."""

from prometheus_client import CollectorRegistry, Counter

from shop.site.customers import FAILURES, Choice

BY = ("bestsellers", "service")


class Metrics:
    """Counters in ``registry``. Revenue per recommendation is the quotient of the last two."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._transactions = Counter("shop_transactions", "Payments that were tried.", registry=self.registry)
        self._failed = Counter("shop_transactions_failed", "Payments that failed.", ["reason"], registry=self.registry)
        self._revenue = Counter("shop_revenue_euros", "Of all paid orders.", registry=self.registry)
        self._shown = Counter(
            "shop_recommendations_shown", "Products shown as recommended.", ["by"], registry=self.registry
        )
        self._recommended = Counter(
            "shop_recommendation_revenue_euros", "Of orders of a recommended product.", ["by"], registry=self.registry
        )
        # A series that is not there yet would hide its first increase.
        for reason in FAILURES:
            self._failed.labels(reason)
        for by in BY:
            self._shown.labels(by)
            self._recommended.labels(by)

    def shown(self, count: int, by: str) -> None:
        self._shown.labels(by).inc(count)

    def tried(self, choice: Choice, by: str) -> None:
        """One payment, with what the shop recommends ``by``."""
        self._transactions.inc()
        if choice.failure is not None:
            self._failed.labels(choice.failure).inc()
            return
        price = choice.offer.price or 0.0
        self._revenue.inc(price)
        if choice.recommended:
            self._recommended.labels(by).inc(price)
