"""Scores from weights between items: what EASE fits."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

KIND = "item_weights"
# A part that stays in the processor's cache between being gathered and summed. BLAS takes it on in one thread: its
# threads cost milliseconds where a request has microseconds.
_PART = 2**17


@dataclass(frozen=True)
class LargestWeights:
    """Of each row the largest weights alone.

    Attributes:
        columns: intp, shape (rows, kept).
        values: float32, shape (rows, kept).
        width: how many columns there are.
    """

    columns: NDArray[np.intp]
    values: NDArray[np.float32]
    width: int

    @classmethod
    def of(cls, weights: NDArray[np.float32], count: int) -> "LargestWeights":
        """The ``count`` of each row of ``weights`` that are largest in absolute value."""
        rows, width = weights.shape
        count = min(count, width)
        columns = np.empty((rows, count), dtype=np.intp)
        for start in range(0, rows, 512):
            sizes = np.abs(weights[start : start + 512])
            columns[start : start + 512] = np.argpartition(sizes, width - count, axis=1)[:, width - count :]
        columns.sort(axis=1)
        return cls(columns, np.take_along_axis(weights, columns, axis=1), width)

    def sum(self, rows: NDArray[np.signedinteger], out: NDArray[np.float32]) -> None:
        """Add these rows to ``out``, shape (width,)."""
        np.add.at(out, self.columns.take(rows, axis=0).ravel(), self.values.take(rows, axis=0).ravel())


@dataclass(frozen=True)
class ItemWeights:
    """A user's score for an item is the sum of the weights from the items in the history to it.

    Lists are made of popular items, and what decides their order is many small weights: cut off, they cost nDCG. So
    the popular items keep all of theirs, in rows that are summed at the speed of memory, and the many other items keep
    the largest. Of a long history the popular items count: the others hardly change a list and take the time.

    Attributes:
        weights: float32, shape (supported, dense): from each of the first items of the catalogue to the most popular.
        rest: from the same to the next ones; none if ``weights`` has them all.
        longest: so many items of a history count, the most popular ones; none: all of them.
    """

    weights: NDArray[np.float32]
    rest: LargestWeights | None = None
    longest: int | None = None

    @classmethod
    def cut(
        cls, weights: NDArray[np.float32], dense: int | None, kept: int, longest: int | None = None
    ) -> "ItemWeights":
        """All weights to the first ``dense`` items, and of the others the largest ``kept`` from each item.

        Args:
            weights: shape (supported, supported).
        """
        if dense is None or dense + kept >= weights.shape[1]:
            return cls(weights, longest=longest)
        return cls(weights[:, :dense].copy(), LargestWeights.of(weights[:, dense:], kept), longest)

    @property
    def nbytes(self) -> int:
        return self.weights.nbytes + (self.rest.columns.nbytes + self.rest.values.nbytes if self.rest else 0)

    def score(self, user: int, history: NDArray[np.signedinteger]) -> NDArray[np.float32]:
        rows = history[history < len(self.weights)]
        if self.longest is not None and len(rows) > self.longest:
            rows = np.partition(rows, self.longest - 1)[: self.longest]
        dense = self.weights.shape[1]
        scores = np.zeros(dense + (self.rest.width if self.rest else 0), dtype=np.float32)
        step = max(_PART // max(dense, 1), 1)
        ones = np.ones(min(step, len(rows)), dtype=np.float32)
        for start in range(0, len(rows), step):
            part = self.weights.take(rows[start : start + step], axis=0)
            scores[:dense] += ones[: len(part)] @ part
        if self.rest:
            self.rest.sum(rows, scores[dense:])
        return scores

    def score_history(self, history: NDArray[np.signedinteger]) -> NDArray[np.float32]:
        return self.score(-1, history)  # the history is all it goes by

    def save(self, path: Path) -> None:
        more: dict[str, Any] = {}
        if self.rest:
            more = {"columns": self.rest.columns.astype(np.int32), "values": self.rest.values, "width": self.rest.width}
        if self.longest is not None:
            more["longest"] = self.longest
        np.savez(path, kind=np.array(KIND), weights=self.weights, **more)

    @classmethod
    def load(cls, arrays: Any) -> "ItemWeights":
        """From what `save` wrote, opened with `numpy.load`."""
        rest = None
        if "columns" in arrays:
            rest = LargestWeights(arrays["columns"].astype(np.intp), arrays["values"], int(arrays["width"]))
        return cls(arrays["weights"], rest, int(arrays["longest"]) if "longest" in arrays else None)
