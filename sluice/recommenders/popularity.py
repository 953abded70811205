"""The popular items for everybody: the baseline, and the fallback for users without a history."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

KIND = "popularity"


@dataclass(frozen=True)
class Popularity:
    """An item's score is the share of users that interacted with it.

    Attributes:
        share: float32, shape (items,), each from 0 to 1.
    """

    share: NDArray[np.float32]

    @classmethod
    def of(cls, support: NDArray[np.int64], users: int) -> "Popularity":
        """From the number of users an item and the number of users."""
        return cls((support / max(users, 1)).astype(np.float32))

    def score(self, user: int, history: NDArray[np.signedinteger]) -> NDArray[np.float32]:
        return self.share.copy()

    def score_history(self, history: NDArray[np.signedinteger]) -> NDArray[np.float32]:
        return self.share.copy()

    def save(self, path: Path) -> None:
        np.savez(path, kind=np.array(KIND), share=self.share)

    @classmethod
    def load(cls, arrays: Any) -> "Popularity":
        """From what `save` wrote, opened with `numpy.load`."""
        return cls(arrays["share"])
