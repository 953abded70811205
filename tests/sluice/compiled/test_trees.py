"""Thresholds decide as the libraries' own."""

import numpy as np
import pytest

from sluice.compiled import trees
from sluice.compiled.trees import Tree, as_float32_decides, float32_below
from sluice.errors import NotCompiledError

RANDOM = np.random.default_rng(0)
THRESHOLDS = np.concatenate(
    [RANDOM.normal(size=500) * 10.0 ** RANDOM.integers(-44, 30, 500), RANDOM.normal(size=200).astype(np.float32),
     [0.0, -0.0, 5e-324, -5e-324, 1e-46, 0.1, 16777217.0, 3.4e38]]
)  # fmt: skip


def test_float64_rows_go_where_their_float32_would() -> None:
    """On both sides of every point at which rounding changes, and on it: ties go to the even float32."""
    decides = as_float32_decides(THRESHOLDS)
    single = THRESHOLDS.astype(np.float32)
    points = [THRESHOLDS, decides, single.astype(np.float64)]
    for way in (-np.inf, np.inf):
        step = np.nextafter(single, np.float32(way)).astype(np.float64)
        points += [step, (single + step) / 2]
    for point in points:
        for rows in (np.nextafter(point, -np.inf), point, np.nextafter(point, np.inf)):
            with np.errstate(over="ignore"):  # beyond float32, where both are infinite
                wanted = rows.astype(np.float32) <= THRESHOLDS
            np.testing.assert_array_equal(rows <= decides, wanted)


def test_below_is_one_float32_less() -> None:
    """At most the value before it is less than the value itself."""
    single = THRESHOLDS.astype(np.float32)
    for rows in (np.nextafter(single, np.float32(-np.inf)), single, np.nextafter(single, np.float32(np.inf))):
        np.testing.assert_array_equal(rows <= float32_below(single), rows < single)


def test_too_many_nodes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any work is done with them."""
    leaf = np.array([-1])
    tree = Tree(leaf, leaf, leaf, leaf, leaf, leaf, leaf)
    monkeypatch.setattr(trees, "MOST_NODES", 2)
    with pytest.raises(NotCompiledError, match="its trees have 3 nodes, and up to 2 are compiled"):
        trees.attributes([tree] * 3, 1, np.float64)
