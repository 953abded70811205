"""Which items have a genre, in the form that a ranking takes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sluice.errors import InputInvalidError

SEPARATOR = "|"


class Genres:
    """The genres of a catalogue, by name.

    Args:
        genres: those of each item in one string, such as ``Action|Comedy``; empty where there is none.
    """

    def __init__(self, genres: Sequence[str]) -> None:
        self._items = len(genres)
        self._names: dict[str, str] = {}
        self._positions: dict[str, list[int]] = {}
        self._penalties: dict[str, NDArray[np.float32]] = {}
        for position, text in enumerate(genres):
            for name in filter(None, map(str.strip, text.split(SEPARATOR))):
                key = name.casefold()
                self._names.setdefault(key, name)
                self._positions.setdefault(key, []).append(position)

    @property
    def names(self) -> list[str]:
        """As they are first spelt, in alphabetical order."""
        return sorted(self._names.values(), key=str.casefold)

    def penalty(self, name: str) -> NDArray[np.float32]:
        """0 for items of the genre, -inf for all others, shape (items,). Upper and lower case are the same.

        Raises:
            InputInvalidError: no item has it.
        """
        key = name.strip().casefold()
        if key not in self._positions:
            known = ", ".join(self.names) or "none in this catalogue"
            raise InputInvalidError(field="genre", problem=f"there is no genre {name!r}. The genres are: {known}.")
        if key not in self._penalties:
            penalty = np.full(self._items, -np.inf, dtype=np.float32)
            penalty[self._positions[key]] = 0
            self._penalties[key] = penalty
        return self._penalties[key]
