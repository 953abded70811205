"""Features that know only the past."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from sluice.point_in_time import known_before, leaks

EVENTS = pl.DataFrame(
    {
        "id": [1, 2, 3, 4, 5, 6],
        "user": ["a", "a", "a", "b", "a", "b"],
        "at": [10, 20, 20, 15, 30, 40],
        "rating": [1.0, 3.0, 5.0, 2.0, None, 4.0],
    }
)


def features(events: pl.DataFrame) -> pl.DataFrame:
    return known_before(
        events.lazy(), events.lazy(), by="user", time="at", count="before", means={"mean_before": "rating"}
    ).collect()


def test_an_event_knows_what_came_before_it() -> None:
    """Events of the same moment do not know each other, missing values count as rows and not for the mean."""
    built = features(EVENTS).sort("id")
    assert built["before"].to_list() == [0, 1, 1, 0, 3, 1]
    assert built["mean_before"].to_list() == [None, 1.0, 1.0, None, 3.0, 2.0]


def test_serving_uses_the_same_function() -> None:
    """Now is a moment after all events; an entity without any has a count of 0."""
    now = pl.LazyFrame({"user": ["a", "b", "new"], "at": [100] * 3})
    known = known_before(EVENTS.lazy(), now, by="user", time="at", count="n", means={"mean": "rating"}).collect()
    assert known.sort("user").rows() == [("a", 100, 4, 3.0), ("b", 100, 2, 3.0), ("new", 100, 0, None)]


def random_events(rows: int = 400) -> pl.DataFrame:
    rng = np.random.default_rng(7)
    return pl.DataFrame(
        {
            "id": np.arange(rows),
            "user": rng.integers(0, 20, rows),
            "at": rng.integers(0, 200, rows),
            "rating": rng.normal(size=rows),
        }
    )


def test_features_of_the_past_leak_nothing() -> None:
    """The check is silent about features that are right, on many events with many ties."""
    assert leaks(features, random_events(), time="at", key=["id"]) == []


@pytest.mark.parametrize(
    "leak",
    [
        pl.col("rating").mean().over("user"),
        pl.col("rating").rank(),
        pl.col("rating").sort_by("at").shift(-1).over("user"),
        pl.col("rating") - pl.col("rating").mean(),
    ],
    ids=["mean of the user's future", "rank among all", "the next one", "centred on all"],
)
def test_a_planted_leak_is_caught(leak: pl.Expr) -> None:
    """By the name of its column, beside features that are right."""
    build: Callable[[pl.DataFrame], pl.DataFrame] = lambda events: features(events).with_columns(leaky=leak)  # noqa: E731
    assert leaks(build, random_events(), time="at", key=["id"]) == ["leaky"]
