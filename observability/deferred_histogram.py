"""A histogram for where every microsecond counts: an observation is one append, and is put into its bucket later.

`prometheus_client.Histogram` looks for the bucket and takes two locks each time, which costs ten times as much.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from math import inf

import numpy as np
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

# Observations of a series that wait at most, where nobody scrapes: 0.1 ms at once to count them.
_MOST_WAITING = 4096


class DeferredSeries:
    """Of one combination of labels. Threads may share it."""

    __slots__ = ("_bounds", "_counts", "_exemplars", "_lock", "_sum", "_waiting")

    def __init__(self, bounds: Sequence[float]) -> None:
        """``bounds`` are the upper ones, ascending; the last is infinity."""
        self._bounds = np.array(bounds)
        self._counts = np.zeros(len(bounds), dtype=np.int64)
        self._exemplars: dict[int, Exemplar] = {}
        self._sum = 0.0
        self._waiting: deque[float] = deque()
        self._lock = threading.Lock()

    def observe(self, value: float, exemplar: Mapping[str, str] | None = None) -> None:
        """A number; ``exemplar`` labels it as an example of its bucket, with the trace it is from for instance."""
        self._waiting.append(value)
        if exemplar is not None:
            self._exemplars[int(self._bounds.searchsorted(value))] = Exemplar(dict(exemplar), value, time.time())
        if len(self._waiting) >= _MOST_WAITING:
            self._count()

    def told(self) -> tuple[list[int], float, dict[int, Exemplar]]:
        """Observations up to each bound, the sum of all, and examples by the bucket's place."""
        self._count()
        with self._lock:
            return self._counts.cumsum().tolist(), self._sum, dict(self._exemplars)

    def _count(self) -> None:
        with self._lock:
            # What other threads append meanwhile is the next time's.
            values = np.array([self._waiting.popleft() for _ in range(len(self._waiting))])
            self._counts += np.bincount(self._bounds.searchsorted(values), minlength=len(self._counts))
            self._sum += float(values.sum())


class DeferredHistogram:
    """A collector of such series, by label values, exposed as any other histogram.

    Args:
        buckets: the upper bounds, ascending, without infinity.
    """

    def __init__(
        self,
        name: str,
        documentation: str,
        labelnames: Sequence[str],
        buckets: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._name, self._documentation, self._labelnames = name, documentation, tuple(labelnames)
        self._bounds = (*buckets, inf)
        self._series: dict[tuple[str, ...], DeferredSeries] = {}
        registry.register(self)

    def labels(self, *values: str) -> DeferredSeries:
        """The series of these label values, new ones at zero. Whoever observes often keeps it."""
        # One call of the interpreter: two threads that ask at once get the same.
        return self._series.setdefault(values, DeferredSeries(self._bounds))

    def describe(self) -> Iterator[Metric]:
        yield Metric(self._name, self._documentation, "histogram")

    def collect(self) -> Iterator[Metric]:
        family = Metric(self._name, self._documentation, "histogram")
        for values, series in list(self._series.items()):
            labels = dict(zip(self._labelnames, values, strict=True))
            counts, total, exemplars = series.told()
            for place, (bound, count) in enumerate(zip(self._bounds, counts, strict=True)):
                more = {**labels, "le": floatToGoString(bound)}  # type: ignore[no-untyped-call]
                family.add_sample(f"{self._name}_bucket", more, count, exemplar=exemplars.get(place))
            family.add_sample(f"{self._name}_count", labels, counts[-1])
            if self._bounds[0] >= 0:  # else it can fall, which a counter must not
                family.add_sample(f"{self._name}_sum", labels, total)
        yield family
