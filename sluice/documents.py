"""The document store port, and how a process opens the one its settings name.

Documents are JSON-like, and times. Filters are equality and the operators ``$gt $gte $lt $lte $in $ne`` on numbers,
text, booleans, times and None, which is also what a missing field is; a comparison holds between values of one kind
only. Times are aware UTC, in milliseconds, as MongoDB keeps them.
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
            DocumentDuplicateError: one breaks a unique index. MongoDB has added those before it then, the embedded
                store none.
        """
        ...

    def insert_encoded(self, collection: str, documents: Sequence[bytes]) -> int:
        """Add many documents as `sluice.document_json` encodes them, but those that a unique index has already.

        It gives how many were added, and when it returns they survive a loss of power as far as the store can say so.
        A process that answers requests meanwhile keeps its interpreter: the work is done outside of it, or in slices.

        Raises:
            DocumentRefusedError: at least one can never be added; others may have been.
        """
        ...

    def find(
        self,
        collection: str,
        filter: Filter | None = None,
        *,
        sort: Sort = (),
        limit: int = 0,
        fields: Sequence[str] = (),
    ) -> list[Document]:
        """Matching documents, without their store's own id.

        Args:
            fields: of the first level; give these only, each of them: None where a document does not have it.
        """
        ...

    def find_one(self, collection: str, filter: Filter | None = None, *, sort: Sort = ()) -> Document | None: ...

    def upsert(self, collection: str, key: Filter, document: Mapping[str, Any]) -> None:
        """Set the document's fields on the one that matches ``key``, or insert both together.

        Raises:
            DocumentDuplicateError: it would break a unique index.
        """
        ...

    def update(self, collection: str, filter: Filter, fields: Mapping[str, Any]) -> int:
        """Set fields on all that match; gives how many matched.

        Raises:
            DocumentDuplicateError: one would break a unique index.
        """
        ...

    def delete(self, collection: str, filter: Filter) -> int: ...

    def count(self, collection: str, filter: Filter | None = None) -> int: ...

    def unique(self, collection: str, fields: Sequence[str]) -> None:
        """No two documents of the collection may have equal values in ``fields``; a missing one equals another."""
        ...

    def index(self, collection: str, fields: Sequence[str]) -> None:
        """Make finds quick that want values of all fields but the last, and sort by the last, bound it, or both."""
        ...

    def ping(self) -> None: ...

    def close(self) -> None: ...


def open_documents(settings: Settings) -> DocumentStore:
    """MongoDB when the settings name one, else the embedded store in the home.

    Raises:
        SettingsInvalidError: the address is none that MongoDB's driver understands.
    """
    uri = settings.documents_uri
    if uri.startswith("mongodb"):
        from sluice.mongo_documents import MongoDocuments

        return MongoDocuments(uri, settings.documents.database)
    from sluice.embedded_documents import EmbeddedDocuments

    return EmbeddedDocuments(uri)


def settable(fields: Mapping[str, Any]) -> Document:
    """Fields as they may be set one by one.

    Raises:
        ValueError: a name that MongoDB would read as a path or an operator.
    """
    for name in fields:
        if "." in name or name.startswith("$"):
            raise ValueError(f"{name!r} cannot name a field that is set: no dots, no '$' in front")
    return dict(fields)
