"""Rows on which a compiled form has to prove itself: likely ones, and those where it would fail first."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sluice.compiled.inputs import Inputs, Matrix

_GIVEN, _NEAR, _SCALES, _AT_SPLITS, _PAIRS = 1000, 300, (1e-3, 1.0, 1e3, 1e6), 300, 64
# The bisection ends this near to a boundary, as a share of the distance it began with: float64 tells more apart,
# but there the sums of the original itself differ with the number of rows it is asked about.
_HALVINGS = 30


def rows(given: Matrix, inputs: Inputs, splits: list[tuple[int, float]]) -> Matrix:
    """At least 1,000 rows, shape (rows, columns).

    Args:
        given: rows to go out from, the input example or training rows; may be none.
        splits: feature and threshold of the model's trees.
    """
    random = np.random.default_rng(0)
    width = len(inputs.columns)
    given = given[np.isfinite(given).all(axis=1)]
    if len(given) > _GIVEN:
        given = given[random.choice(len(given), _GIVEN, replace=False)]
    base = given if len(given) else np.zeros((1, width))
    centre, spread = base.mean(axis=0), base.std(axis=0)
    spread = np.where(spread > 0, spread, np.maximum(np.abs(centre), 1))

    def some(count: int) -> Matrix:
        return base[random.integers(len(base), size=count)]

    near = [some(_NEAR) + random.normal(size=(_NEAR, width)) * spread * scale for scale in (0.01, 0.1, 1.0)]
    ranges = random.uniform(base.min(axis=0) - spread, base.max(axis=0) + spread, (_NEAR, width))
    wide = [random.normal(size=(_NEAR // 2, width)) * scale for scale in _SCALES]
    parts = [given, *near, ranges, *wide, _extremes(some, inputs.limit, random), _at(splits, some, random)]
    return inputs.fitted(np.concatenate(parts))


def _extremes(some: Callable[[int], Matrix], limit: float, random: np.random.Generator) -> Matrix:
    """Each alone in a row of usual values, and all mixed."""
    values = np.array([0.0, -0.0, 1.0, -1.0, 5e-324, -1e-300, 1e-40, 1e9, -1e9, limit, -limit])
    width = some(1).shape[1]
    alone = some(len(values) * min(width, 20))
    alone[np.arange(len(alone)), np.arange(len(alone)) // len(values) % width] = np.resize(values, len(alone))
    return np.concatenate([alone, random.choice(values, (100, width))])


def _at(splits: list[tuple[int, float]], some: Callable[[int], Matrix], random: np.random.Generator) -> Matrix:
    """On thresholds, and one step to either side of them, in float64 and in float32."""
    chosen = [splits[at] for at in random.permutation(len(splits))[:_AT_SPLITS]]
    beside = [(feature, value) for feature, split in chosen for value in _beside(split)]
    made = some(len(beside))
    for row, (feature, value) in zip(made, beside, strict=True):
        if feature < len(row):  # in a pipeline it may count what a step before makes
            row[feature] = value
    return made


def _beside(split: float) -> list[float]:
    with np.errstate(over="ignore"):
        single = np.float32(split)
        steps = [np.nextafter(single, np.float32(way)) for way in (-np.inf, np.inf)]
    halves = [(float(single) + float(step)) / 2 for step in steps]
    around = [split, float(single), *map(float, steps), *halves]
    return [value for at in around for value in (np.nextafter(at, -np.inf), at, np.nextafter(at, np.inf))]


def at_boundaries(matrix: Matrix, labels: NDArray[Any], predict: Callable[[Matrix], NDArray[Any]]) -> Matrix:
    """Pairs of rows close to each other that the original gives different labels, found by halving."""
    random = np.random.default_rng(1)
    usual = np.flatnonzero(np.abs(matrix).max(axis=1) < 1e4)
    first, second = random.choice(usual, (2, _PAIRS * 8)) if len(usual) else np.zeros((2, 0), int)
    differ = np.flatnonzero(labels[first] != labels[second])[:_PAIRS]
    low, high, known = matrix[first[differ]], matrix[second[differ]], labels[first[differ]]
    if not len(differ):
        return matrix[:0]
    for _ in range(_HALVINGS):
        middle = low + (high - low) / 2
        same = (predict(middle) == known)[:, None]
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return np.concatenate([low, high])


def missing(matrix: Matrix, inputs: Inputs) -> Matrix:
    """Rows with NaN where the signature can have it, in one column, in some, and in all."""
    random = np.random.default_rng(2)
    usual = matrix[random.integers(len(matrix), size=300)]
    share = np.repeat([0.1, 0.5, 1.0], 100)[:, None]
    holes = random.random(usual.shape) < share
    holes[np.arange(len(usual)), random.choice(np.flatnonzero(inputs.may_miss), len(usual))] = True
    return np.where(holes & inputs.may_miss, np.nan, usual)
