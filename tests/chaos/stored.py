"""Which predictions the document store has."""

from collections import Counter
from pathlib import Path

from sluice.documents import DocumentStore
from sluice.embedded_documents import EmbeddedDocuments


def stored(store: DocumentStore, model: str) -> Counter[str]:
    """The ids of a model's predictions, and how often each is there."""
    return Counter(document["id"] for document in store.find(f"{model}_predictions"))


def stored_in(home: Path, *models: str) -> Counter[str]:
    """The same of the store that a service without a MongoDB has in its home."""
    store = EmbeddedDocuments(str(home / "documents.db"))
    try:
        return sum((stored(store, model) for model in models), Counter())
    finally:
        store.close()
