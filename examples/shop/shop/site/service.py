"""What Sluice's service recommends, and what it is told of that."""

import logging
from dataclasses import dataclass

import httpx

from shop.site.products import Offer

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recommended:
    """Products that are offered, best first. ``prediction`` names the answer when the shop tells what came of it."""

    offers: list[Offer]
    prediction: str


class Service:
    """Asks for the champion of the use case ``shop``."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=2, trust_env=False)

    def recommended(self, customer: int, offered: dict[str, Offer], count: int) -> Recommended | None:
        """None when the service does not answer, has no champion yet, or recommends nothing that is offered."""
        try:
            answer = self._client.get(f"/recommendations/{customer}", params={"model": "shop", "k": count})
            said = answer.raise_for_status().json()
        except httpx.HTTPError:
            return None
        offers = [offered[item["item_id"]] for item in said["items"] if item["item_id"] in offered]
        return Recommended(offers, said["prediction_id"]) if offers else None

    def tell(self, recommended: Recommended, paid: float) -> None:
        """How many euros a visitor paid for what was recommended. The shop goes on where nobody hears it."""
        outcome = {"bought": paid > 0, "paid": paid}
        said = {"prediction_id": recommended.prediction, "model": "shop", "outcome": outcome}
        try:
            self._client.post("/feedback", json=said).raise_for_status()
        except httpx.HTTPError as error:
            _logger.warning("Feedback on %s did not arrive: %s", recommended.prediction, error)

    def close(self) -> None:
        self._client.close()
