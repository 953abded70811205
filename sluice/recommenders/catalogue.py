"""The items that can be recommended, most popular first."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

COLUMNS = ("item_id", "title", "genres", "support")


@dataclass(frozen=True)
class Catalogue:
    """One row an item; an item's place here is its position everywhere in this package.

    Attributes:
        items: item_id (any type), title and genres (strings), support (users in the training data), sorted by
            support, highest first.
    """

    items: pl.DataFrame

    @classmethod
    def of(cls, items: pl.DataFrame) -> "Catalogue":
        """From the columns `COLUMNS` in any order of rows. An item without a title is called by its id."""
        named = items.select(
            "item_id",
            pl.col("title").fill_null(pl.format("item {}", "item_id")),
            pl.col("genres").fill_null(""),
            pl.col("support").cast(pl.Int64),
        )
        return cls(named.sort(["support", "item_id"], descending=[True, False]))

    def __len__(self) -> int:
        return self.items.height

    def supported(self, minimum: int) -> int:
        """How many items have at least ``minimum`` users. They are the first ones."""
        return int((self.items["support"] >= minimum).sum())

    @cached_property
    def item_ids(self) -> NDArray[Any]:
        return self.items["item_id"].to_numpy()

    @cached_property
    def titles(self) -> NDArray[Any]:
        return self.items["title"].to_numpy().astype(object)

    @cached_property
    def genres(self) -> NDArray[Any]:
        return self.items["genres"].to_numpy().astype(object)

    @cached_property
    def support(self) -> NDArray[np.int64]:
        return self.items["support"].to_numpy()

    def save(self, path: Path) -> None:
        self.items.write_parquet(path)

    @classmethod
    def load(cls, path: Path) -> "Catalogue":
        return cls(pl.read_parquet(path))
