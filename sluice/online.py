"""Online features: the latest values of each entity, in the document store, for whoever answers requests.

A use case's step ``online`` computes them with the function that computes the features of training, at the moment
after the last event.
"""

from typing import Any

import polars as pl

from sluice.documents import Document, DocumentStore
from sluice.references import TableRef

_BATCH = 1_000
# Which version of the features table a document is from.
VERSION = "features_version"


class OnlineFeatures:
    """The collection ``<use case>_online``: a document an entity, found by the column ``entity``."""

    def __init__(self, documents: DocumentStore, use_case: str, entity: str) -> None:
        self._documents, self._collection, self._entity = documents, f"{use_case}_online", entity

    def write(self, values: pl.DataFrame, features: TableRef) -> int:
        """Put a version's values in place of the older ones; gives the number of entities.

        Doing it twice is doing it once. A reader sees an entity's old values or its new ones, never none.

        Raises:
            ValueError: an entity has two rows.
        """
        if values[self._entity].is_duplicated().any():
            raise ValueError(f"online gave two rows of one {self._entity}; it must give one")
        self._documents.delete(self._collection, {VERSION: features.version})
        for batch in values.with_columns(pl.lit(features.version).alias(VERSION)).iter_slices(_BATCH):
            self._documents.insert(self._collection, batch.to_dicts())
        self._documents.delete(self._collection, {VERSION: {"$lt": features.version}})
        return values.height

    def read(self, entity: Any) -> Document | None:
        """An entity's values, or None where it has none."""
        newest_first = [(VERSION, -1)]
        return self._documents.find_one(self._collection, {self._entity: entity}, sort=newest_first)
