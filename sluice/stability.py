"""The population stability index: how far two samples of one quantity are apart.

``sum((live - reference) * ln(live / reference))`` over bins, the shares in each: Siddiqi, Credit Risk Scorecards
(2006), chapter 6. By its rule of thumb, below 0.1 nothing happened, above 0.25 much did.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

BINS = 10
# Categories beyond these are one; text with more of them says who was meant, not of what kind.
MOST_CATEGORIES = 20
# A bin that one of the samples leaves empty would have an infinite share. Also the noise of rare values counts for
# nothing: what has less than this share in both adds nothing.
LEAST_SHARE = 0.01
_OTHER, _MISSING = "\0other", "\0missing"


def index(reference: Sequence[float], live: Sequence[float]) -> float:
    """Of counts a bin, in the same order. Both have a sum above zero."""
    expected, actual = (np.maximum(np.asarray(one, float) / sum(one), LEAST_SHARE) for one in (reference, live))
    return float(((actual - expected) * np.log(actual / expected)).sum())


def compare(reference: pl.Series, live: pl.Series) -> float | None:
    """Numbers by the deciles of the reference, anything else by its categories; what is missing is a bin of its own.

    Returns:
        None where one of them has no row, or every row is another category.
    """
    if not len(reference) or not len(live):
        return None
    numbers = (_numbers(one) for one in (reference, live)) if _is_number(reference) else None
    if numbers is None:
        return _of_categories(reference.cast(pl.String).to_list(), live.cast(pl.String).to_list())
    known, seen = numbers
    if not len(known.drop_nulls()):
        return None
    edges = np.unique(np.quantile(known.drop_nulls().to_numpy(), np.arange(1, BINS) / BINS))
    return index(_binned(known, edges), _binned(seen, edges))


def _is_number(values: pl.Series) -> bool:
    return values.dtype.is_numeric() or values.dtype == pl.Boolean


def _numbers(values: pl.Series) -> pl.Series:
    """What is no number, as after a client sent text, is missing."""
    cast = values.cast(pl.Float64, strict=False)
    return cast.set(~cast.is_finite().fill_null(False), None)


def _binned(values: pl.Series, edges: np.ndarray[Any, Any]) -> list[float]:
    there = values.drop_nulls().to_numpy()
    # A value that is an edge is below it, so that of a column of zeros and ones each is a bin.
    counted = np.bincount(np.searchsorted(edges, there, side="left"), minlength=len(edges) + 1)
    return [*counted.astype(float).tolist(), float(values.null_count())]


def _of_categories(reference: Sequence[str | None], live: Sequence[str | None]) -> float | None:
    known = Counter(_MISSING if value is None else value for value in reference)
    seen = Counter(_MISSING if value is None else value for value in live)
    if len(known) > MOST_CATEGORIES and len(known) > len(reference) / 2:
        return None
    common = [value for value, _ in known.most_common(MOST_CATEGORIES)]
    bins = [*common, _MISSING] if _MISSING not in common else common

    def counts(of: Counter[str]) -> list[float]:
        told = [float(of[value]) for value in bins]
        return [*told, float(of.total() - sum(told))]

    return index(counts(known), counts(seen))
