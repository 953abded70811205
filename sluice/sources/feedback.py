"""What the service was told after its predictions."""

from collections.abc import Iterator
from typing import Any

import polars as pl
from pydantic import Field

from sluice.documents import Document, DocumentStore, Sort, open_documents
from sluice.sources.access import Access
from sluice.sources.newest_documents import NewestDocuments, Where
from sluice.sources.options import Options
from sluice.sources.records import to_frame
from sluice.sources.source import BaseSource
from sluice.sources.watermark import decode, encode, identity

_BATCH = 5_000


class FeedbackOptions(Options):
    watermark: str = Field("at", min_length=1, description="the field with the time it was told")
    id: str = Field("prediction_id", min_length=1, description="tells feedback of the same time apart")
    overlap: float = Field(300, ge=0, description="seconds that are read again: several servers write, each late")


class FeedbackSource(BaseSource):
    """The use case's own collection ``<use case>_feedback`` in the platform's document store."""

    def __init__(self, options: FeedbackOptions, access: Access) -> None:
        super().__init__()
        name = f"{access.use_case}_feedback"
        self._identity = identity("feedback", collection=name, watermark=options.watermark, id=options.id)
        collection = _Collection(access.documents or open_documents(access.settings), name)
        label = f"feedback {name}"
        self._documents = NewestDocuments(collection, label, options.watermark, options.id, options.overlap, _BATCH)

    def fingerprint(self, since: str | None = None) -> str:
        return f"feedback-{self._documents.fingerprint()}"

    def read(self, since: str | None) -> Iterator[pl.DataFrame]:
        reached: dict[str, Any] = {}
        for batch in self._documents.read(decode(self._identity, since), reached):
            yield to_frame(batch)
        self.watermark = encode(self._identity, reached) if reached else None


class _Collection:
    def __init__(self, documents: DocumentStore, name: str) -> None:
        self._documents, self._name = documents, name

    def find(self, where: Where, sort: Sort, limit: int) -> list[Document]:
        return self._documents.find(self._name, where, sort=sort, limit=limit)

    def count(self, where: Where) -> int:
        return self._documents.count(self._name, where)
