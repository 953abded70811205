"""What a fitted recommender is to the model that serves it."""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Scorer(Protocol):
    """Scores items for users. Data only: it is written as arrays, so a model carries no pickled code."""

    def score(self, user: int, history: NDArray[np.signedinteger]) -> NDArray[np.float32]:
        """Shape (m,), higher is better, a new array; zeros when there is nothing to go by.

        They are for the first m items, m at most the size of the catalogue; the rest are known too little.

        Args:
            user: position of the user among those that it was fitted on.
            history: positions of the items that the user interacted with, each once.
        """
        ...

    def score_history(self, history: NDArray[np.signedinteger]) -> NDArray[np.float32]:
        """As `score`, for somebody it was not fitted on, by the history alone.

        Raises:
            InputInvalidError: it cannot.
        """
        ...

    def save(self, path: Path) -> None:
        """Write everything to one ``.npz`` file, with a string ``kind`` that tells which class reads it."""
        ...
