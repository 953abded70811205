"""Who buys in the shop: customers with tastes, who look around and look at what is recommended to them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from shop.site.products import CATEGORIES, Offer

# Why a payment fails, and how often.
FAILURES = {"card_declined": 0.04, "timeout": 0.015, "out_of_stock": 0.01}
_VISITS_A_DAY = 0.15  # share of the customers
_BUYS_RECOMMENDED = 0.5  # times the customer's taste for its category


@dataclass(frozen=True)
class Choice:
    """Something a customer wants to have. ``failure`` says why the payment does not go through."""

    offer: Offer
    recommended: bool
    failure: str | None


class Customers:
    """Attributes:
    tastes: how much each likes each category, shape (customers, categories); rows sum to 1.
    """

    def __init__(self, count: int, seed: int) -> None:
        self._seed = seed
        # So far below 1, almost everybody likes one or two categories.
        self.tastes = np.random.default_rng([seed, count]).dirichlet([0.12] * len(CATEGORIES), size=count)

    def visitors(self, day: int) -> list[int]:
        """Who comes on that day."""
        random = np.random.default_rng([self._seed, day])
        return [int(number) for number in np.flatnonzero(random.random(len(self.tastes)) < _VISITS_A_DAY)]

    def choices(self, customer: int, day: int, offered: Sequence[Offer], shown: Sequence[Offer]) -> Iterator[Choice]:
        """What a visitor wants to buy: products of the visitor's taste, and some of those ``shown`` as recommended."""
        random = np.random.default_rng([self._seed, day, customer])
        taste = self.tastes[customer]
        buyable = [offer for offer in offered if offer.price is not None]
        # The first products of a category are its bestsellers.
        place = np.array([int(offer.sku[2:]) % 8 for offer in buyable])
        weights = taste[[offer.category for offer in buyable]] / (1 + place)
        for index in random.choice(len(buyable), size=1 + random.poisson(0.8), p=weights / weights.sum()):
            yield Choice(buyable[int(index)], False, _failure(random))
        for offer in shown:
            if offer.price is not None and random.random() < _BUYS_RECOMMENDED * taste[offer.category]:
                yield Choice(offer, True, _failure(random))


def _failure(random: np.random.Generator) -> str | None:
    at = random.random()
    for reason, share in FAILURES.items():
        if at < share:
            return reason
        at -= share
    return None
