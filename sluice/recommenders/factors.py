"""Scores from vectors of users and items: what matrix factorisation fits."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sluice.errors import InputInvalidError

KIND = "factors"
# Weights a call: BLAS takes on so few in one thread. Its threads cost milliseconds where a request has microseconds.
_PART = 2**17


@dataclass(frozen=True)
class Factors:
    """A user's scores are ``items @ users[user]``. Histories that came after the fit change nothing.

    Attributes:
        users: float32, shape (users, factors).
        items: float32, shape (items, factors).
        regularization, alpha: what they were fitted with, to find the vector of somebody who was not there; none where
            it is not known, in models of before.
    """

    users: NDArray[np.float32]
    items: NDArray[np.float32]
    regularization: float | None = None
    alpha: float | None = None

    def score(self, user: int, history: NDArray[np.signedinteger]) -> NDArray[np.float32]:
        return self._scores(self.users[user])

    def score_history(self, history: NDArray[np.signedinteger]) -> NDArray[np.float32]:
        """Folded in: the vector that one more step of the fit would give a user with this history.

        ``(Y^T C Y + regularization I)^-1 Y^T C 1`` over the history's confidences C = alpha (Hu, Koren, Volinsky 2008,
        equation 4).

        Raises:
            InputInvalidError: the model does not know what it was fitted with.
        """
        if self.regularization is None or self.alpha is None:
            raise InputInvalidError(
                field="model", problem="this version recommends to users that it knows only. Train it again."
            )
        liked = self.items[history].astype(np.float64)
        left = self._gram + (self.alpha - 1) * (liked.T @ liked) + self.regularization * np.eye(liked.shape[1])
        vector = np.linalg.solve(left, self.alpha * liked.sum(axis=0))
        return self._scores(vector.astype(np.float32))

    @cached_property
    def _gram(self) -> NDArray[np.float64]:
        items = self.items.astype(np.float64)
        return items.T @ items

    def _scores(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        scores = np.empty(len(self.items), dtype=np.float32)
        step = max(_PART // max(len(vector), 1), 1)
        for start in range(0, len(scores), step):
            np.matmul(self.items[start : start + step], vector, out=scores[start : start + step])
        return scores

    def save(self, path: Path) -> None:
        fitted = {"regularization": self.regularization, "alpha": self.alpha}
        known: dict[str, Any] = {name: np.array(value) for name, value in fitted.items() if value is not None}
        np.savez(path, kind=np.array(KIND), users=self.users, items=self.items, **known)

    @classmethod
    def load(cls, arrays: Any) -> "Factors":
        """From what `save` wrote, opened with `numpy.load`."""
        fitted = [float(arrays[name]) if name in arrays else None for name in ("regularization", "alpha")]
        return cls(arrays["users"], arrays["items"], *fitted)
