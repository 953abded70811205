"""What the shop sells, and for how much on which day. Everything follows from the seed."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np

FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
CATEGORIES = ("Coffee", "Tea", "Bread", "Cheese", "Fruit", "Garden", "Paper", "Toys")
_ADJECTIVES = ("Plain", "Fine", "Dark", "Bright", "Wild", "Old", "Small", "Grand")
_COUNT = len(CATEGORIES) * len(_ADJECTIVES)
_CHANGES_A_DAY = 0.03  # share of products that get another price
# One product has no price on its page: what a scraper meets in the wild, and a contract is there for.
ON_REQUEST = 5


@dataclass(frozen=True)
class Offer:
    """A product at a price.

    Attributes:
        category: position in `CATEGORIES`.
        price: euros; None is on request.
        since: the day from which on it is offered at this price.
    """

    sku: str
    name: str
    category: int
    price: float | None
    since: datetime


@lru_cache(maxsize=4)
def offers(day: int, seed: int) -> tuple[Offer, ...]:
    """What is offered on a day, counted from `FIRST_DAY`. A few products come later than the others."""
    return tuple(_offer(index, day, seed) for index in range(_COUNT) if _launch(index) <= day)


def _launch(index: int) -> int:
    return index if index % 16 == 15 else 0


def _offer(index: int, day: int, seed: int) -> Offer:
    random = np.random.default_rng([seed, index])
    category, adjective = divmod(index, len(_ADJECTIVES))
    price, since = random.uniform(3, 60), _launch(index)
    # Two numbers a day, whatever they are used for: so each day's price is the same on all later days.
    for number, (chance, change) in enumerate(random.random((day + 1, 2))):
        if number > since and chance < _CHANGES_A_DAY:
            price, since = price * (0.8 + 0.4 * change), number
    return Offer(
        sku=f"S-{index:03}",
        name=f"{_ADJECTIVES[adjective]} {CATEGORIES[category]} & Co. No. {index}",
        category=category,
        price=None if index == ON_REQUEST else round(price, 2),
        since=FIRST_DAY + timedelta(days=since),
    )
