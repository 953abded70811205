"""The document store port, and how a process opens the one its settings name.

Filters are equality and the operators ``$gt $gte $lt $lte $in $ne``. Times are aware UTC, in milliseconds, as MongoDB
keeps them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from sluice.settings import Settings

Document = dict[str, Any]
Filter = Mapping[str, Any]
Sort = Sequence[tuple[str, int]]


class DocumentStore(Protocol):
    """Collections of documents. Every call may raise ServiceUnavailableError."""

    def insert(self, collection: str, documents: Iterable[Mapping[str, Any]]) -> int:
        """Add documents and give their number.

        Raises:
            DocumentDuplicateError: one breaks a unique index.
        """
        ...

    def find(self, collection: str, filter: Filter | None = None, *, sort: Sort = (), limit: int = 0) -> list[Document]:
        """Matching documents, without their store's own id."""
        ...

    def find_one(self, collection: str, filter: Filter | None = None, *, sort: Sort = ()) -> Document | None: ...

    def upsert(self, collection: str, key: Filter, document: Mapping[str, Any]) -> None:
        """Set the document's fields on the one that matches ``key``, or insert both together."""
        ...

    def update(self, collection: str, filter: Filter, fields: Mapping[str, Any]) -> int:
        """Set fields on all that match; gives how many matched."""
        ...

    def delete(self, collection: str, filter: Filter) -> int: ...

    def count(self, collection: str, filter: Filter | None = None) -> int: ...

    def unique(self, collection: str, fields: Sequence[str]) -> None:
        """No two documents of the collection may have equal values in ``fields``."""
        ...

    def ping(self) -> None: ...

    def close(self) -> None: ...


def open_documents(settings: Settings) -> DocumentStore:
    """MongoDB when the settings name one, else the embedded store in the home."""
    uri = settings.documents_uri
    if uri.startswith("mongodb"):
        from sluice.mongo_documents import MongoDocuments

        return MongoDocuments(uri, settings.documents.database)
    from sluice.embedded_documents import EmbeddedDocuments

    return EmbeddedDocuments(uri)
