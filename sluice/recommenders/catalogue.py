"""The items that can be recommended, most popular first."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sluice.recommenders.genres import Genres

if TYPE_CHECKING:
    import polars as pl

COLUMNS = ("item_id", "title", "genres", "support")


@dataclass(frozen=True)
class Catalogue:
    """One row an item; an item's place here is its position everywhere in this package.

    Attributes:
        items: item_id (any type), title and genres (strings), support (users in the training data), sorted by
            support, highest first. Arrow's table, since serving loads it and has no Polars.
    """

    items: pa.Table

    @classmethod
    def of(cls, items: "pl.DataFrame") -> "Catalogue":
        """From the columns `COLUMNS` in any order of rows. An item without a title is called by its id."""
        import polars as pl

        named = items.select(
            "item_id",
            pl.col("title").fill_null(pl.format("item {}", "item_id")),
            pl.col("genres").fill_null(""),
            pl.col("support").cast(pl.Int64),
        )
        ranked = named.sort(["support", "item_id"], descending=[True, False])
        return cls(ranked.to_arrow(compat_level=pl.CompatLevel.oldest()))

    def __len__(self) -> int:
        return int(self.items.num_rows)

    def supported(self, minimum: int) -> int:
        """How many items have at least ``minimum`` users. They are the first ones."""
        return int((self.support >= minimum).sum())

    @cached_property
    def item_ids(self) -> NDArray[Any]:
        return np.asarray(self.items["item_id"].to_numpy())

    @cached_property
    def labels(self) -> tuple[list[Any], list[str], list[str]]:
        """Ids, titles and genres as Python's own values: an answer for one user takes a handful of them."""
        ids, titles, genres = (self.items[name].to_pylist() for name in ("item_id", "title", "genres"))
        return ids, titles, genres

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {str(item): position for position, item in enumerate(self.labels[0])}

    def find(self, item_ids: Iterable[Any]) -> NDArray[np.int64]:
        """Positions of items by their ids, or by those as text, as an address has them. Others are left out."""
        found = (self._positions.get(str(item), -1) for item in item_ids)
        return np.array([position for position in found if position >= 0], dtype=np.int64)

    def search(self, text: str, limit: int) -> list[int]:
        """Positions of items whose title has all words of ``text``, upper or lower case, most popular first.

        No words: the most popular items.
        """
        words = text.casefold().split()
        found = (place for place, title in enumerate(self._folded) if all(word in title for word in words))
        return list(islice(found, limit))

    @cached_property
    def _folded(self) -> list[str]:
        return [title.casefold() for title in self.labels[1]]

    @cached_property
    def by_genre(self) -> Genres:
        return Genres(self.labels[2])

    @cached_property
    def support(self) -> NDArray[np.int64]:
        return np.asarray(self.items["support"].to_numpy())

    def save(self, path: Path) -> None:
        pq.write_table(self.items, path)

    @classmethod
    def load(cls, path: Path) -> "Catalogue":
        return cls(pq.ParquetFile(path).read())
