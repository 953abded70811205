"""The population stability index: what it says of samples that are alike, and of such as are not."""

import math

import numpy as np
import polars as pl
import pytest

from sluice.stability import compare, index

RANDOM = np.random.default_rng(1)
NORMAL = pl.Series(RANDOM.normal(size=5_000))


def test_it_is_the_formula() -> None:
    """Two bins, 50/50 against 80/20: (0.3) ln(1.6) + (-0.3) ln(0.4)."""
    assert index([5, 5], [8, 2]) == pytest.approx(0.3 * math.log(1.6) - 0.3 * math.log(0.4))


def test_the_same_distribution_is_no_drift() -> None:
    """Two samples of one normal distribution stay far below the threshold, also a small one."""
    assert compare(NORMAL, pl.Series(RANDOM.normal(size=5_000))) < 0.01  # type: ignore[operator]
    assert compare(NORMAL, pl.Series(RANDOM.normal(size=200))) < 0.15  # type: ignore[operator]


@pytest.mark.parametrize(("shift", "low", "high"), [(0.2, 0.02, 0.1), (0.6, 0.2, 0.6), (2.0, 1.5, 10)])
def test_a_shift_counts_by_its_size(shift: float, low: float, high: float) -> None:
    """A fifth of a standard deviation is little, more than half of one is drift."""
    assert low < compare(NORMAL, NORMAL + shift) < high  # type: ignore[operator]


def test_missing_values_are_a_bin() -> None:
    """A feature that half of the callers stopped sending has drifted, whatever the rest looks like."""
    live = pl.Series([value if place % 2 else None for place, value in enumerate(NORMAL)])
    assert compare(NORMAL, live) > 0.5  # type: ignore[operator]
    assert compare(live, live) == 0


@pytest.mark.parametrize("none", [float("nan"), float("inf"), "text"])
def test_what_is_no_number_is_missing(none: object) -> None:
    """Clients send what they send."""
    live = pl.Series([none] * 100, strict=False)
    assert compare(NORMAL, live) > 0.5  # type: ignore[operator]


def test_few_values_are_bins_of_their_own() -> None:
    """Of zeros and ones the deciles fall together."""
    assert compare(pl.Series([0, 1] * 50), pl.Series([0.0, 1.0] * 30)) == pytest.approx(0)
    assert compare(pl.Series([0, 1] * 50), pl.Series([1] * 30)) > 0.5  # type: ignore[operator]


def test_text_counts_by_category() -> None:
    """Known values by their shares; those that the reference did not have together."""
    reference = pl.Series(["a"] * 70 + ["b"] * 30)
    assert compare(reference, pl.Series(["a"] * 7 + ["b"] * 3)) == pytest.approx(0)
    assert compare(reference, pl.Series(["a"] * 7 + ["new", "newer", "newest"])) > 0.5  # type: ignore[operator]


def test_a_new_category_of_a_few_rows_is_not_drift_yet() -> None:
    """An empty bin of the reference would make any share of it infinite."""
    reference = pl.Series(["known"] * 1000)
    assert 0 < compare(reference, pl.Series(["known"] * 97 + ["new"] * 3)) < 0.1  # type: ignore[operator]


def test_identifiers_are_not_compared() -> None:
    """Text that is another one in each row says nothing by its shares."""
    assert compare(pl.Series([f"id {n}" for n in range(100)]), pl.Series(["id 1"])) is None
    assert compare(pl.Series([], dtype=pl.Float64), NORMAL) is None
