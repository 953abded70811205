"""A histogram that is kept: its numbers survive the process that counted them."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

# Seconds. A stage of the small use cases takes two or three, a large training hours.
RUN_BOUNDS = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21600.0)
DELAY_BOUNDS = (0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)


class Spread:
    """Args:
    numbers: a count a bound and one for all above them, as `document` gave it; anything else begins at zero.
    """

    def __init__(self, bounds: Sequence[float], kept: Mapping[str, Any] | None = None) -> None:
        self._bounds = tuple(bounds)
        kept = kept or {}
        # Other bounds are another histogram: to Prometheus it begins anew, as after any reset.
        same = kept.get("bounds") == list(self._bounds)
        self._counts: list[int] = list(kept["counts"]) if same else [0] * (len(self._bounds) + 1)
        self.total: float = float(kept["sum"]) if same else 0.0

    def add(self, value: float) -> None:
        """Below zero counts as zero: clocks of servers differ."""
        value = max(0.0, value)
        self._counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    @property
    def document(self) -> dict[str, Any]:
        return {"bounds": list(self._bounds), "counts": list(self._counts), "sum": self.total}

    @property
    def buckets(self) -> list[tuple[str, float]]:
        """As Prometheus has them: each with all that is below it."""
        found, sum_so_far = [], 0
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            sum_so_far += count
            found.append((bound, float(sum_so_far)))
        return found
