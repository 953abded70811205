"""The deferred histogram tells what Prometheus' own tells of the same observations."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from observability.deferred_histogram import _MOST_WAITING, DeferredHistogram

BOUNDS = (0.1, 0.5, 1.0)


def both(
    bounds: tuple[float, ...] = BOUNDS,
) -> tuple[CollectorRegistry, DeferredHistogram, CollectorRegistry, Histogram]:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    deferred = DeferredHistogram("seconds", "Of work.", ("model",), bounds, ours)
    return ours, deferred, theirs, Histogram("seconds", "Of work.", ("model",), buckets=bounds, registry=theirs)


def told(registry: CollectorRegistry) -> list[str]:
    """Without the moments of creation, which ours does not tell."""
    return [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]


@pytest.mark.parametrize("bounds", [BOUNDS, (-1.0, 0.0, 0.5)])
def test_it_is_exposed_as_prometheus_own(bounds: tuple[float, ...]) -> None:
    """Values on bounds, beyond the last, and none at all; without a sum where that could fall."""
    ours, deferred, theirs, own = both(bounds)
    for model, values in {"one": [0.0, 0.1, 0.1000001, 0.5, 1.0, 7.5, -0.25], "two": []}.items():
        deferred.labels(model), own.labels(model)
        for value in values:
            deferred.labels(model).observe(value)
            own.labels(model).observe(value)
        assert told(ours) == told(theirs)
    assert told(ours) == told(theirs)  # looking changes nothing


def test_what_waits_is_bounded() -> None:
    """Also where nobody looks, and nothing is lost when it is counted."""
    ours, deferred, theirs, own = both()
    series = deferred.labels("m")
    values = np.random.default_rng(1).exponential(0.5, 3 * _MOST_WAITING + 7)
    for value in values.tolist():
        series.observe(value)
        own.labels("m").observe(value)
        assert len(series._waiting) < _MOST_WAITING
    counts = [line for line in told(ours) if "_sum" not in line]
    assert counts == [line for line in told(theirs) if "_sum" not in line]
    assert ours.get_sample_value("seconds_sum", {"model": "m"}) == pytest.approx(values.sum())


def test_threads_lose_nothing() -> None:
    """Four observe while a fifth looks."""
    ours, deferred, *_ = both()

    def observe(_: int) -> None:
        for _ in range(20_000):
            deferred.labels("m").observe(0.25)

    with ThreadPoolExecutor(5) as pool:
        looks = pool.submit(lambda: [ours.get_sample_value("seconds_count", {"model": "m"}) for _ in range(50)])
        list(pool.map(observe, range(4)))
        seen = [count for count in looks.result() if count is not None]
    assert seen == sorted(seen)
    assert ours.get_sample_value("seconds_count", {"model": "m"}) == 80_000
    assert ours.get_sample_value("seconds_sum", {"model": "m"}) == 20_000


def test_an_exemplar_is_of_its_bucket() -> None:
    """The newest of each, in the format that has them."""
    ours, deferred, *_ = both()
    for value, trace in ((0.2, "aa"), (0.4, "bb"), (3.0, "cc")):
        deferred.labels("m").observe(value, {"trace_id": trace})
    lines = generate_openmetrics(ours).decode().splitlines()
    found = {line.split('le="')[1].split('"')[0]: line.split("# ")[1] for line in lines if "# {" in line}
    assert found.keys() == {"0.5", "+Inf"}
    assert found["0.5"].startswith('{trace_id="bb"} 0.4 ')
    assert found["+Inf"].startswith('{trace_id="cc"} 3.0 ')
