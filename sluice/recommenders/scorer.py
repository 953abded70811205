"""What a fitted recommender is to the model that serves it."""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


class Scorer(Protocol):
    """Scores items for users. Data only: it is written as arrays, so a model carries no pickled code."""

    def scores(self, users: NDArray[np.int64], histories: sparse.csr_array) -> NDArray[np.float32]:
        """Shape (len(users), m), higher is better; a row of zeros when there is nothing to go by.

        They are for the first m items, m at most the size of the catalogue; the rest are known too little.

        Args:
            users: positions of the users among those that it was fitted on.
            histories: shape (len(users), items), 1 where the user interacted.
        """
        ...

    def save(self, path: Path) -> None:
        """Write everything to one ``.npz`` file, with a string ``kind`` that tells which class reads it."""
        ...
