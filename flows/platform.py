"""The composition root of a flow's process and of a Dask worker: settings and the adapters they name."""

from dataclasses import dataclass
from functools import cache

from sluice.documents import DocumentStore, open_documents
from sluice.lake import Lake
from sluice.models import ModelRegistry, open_registry
from sluice.promotions import PromotionHistory
from sluice.settings import Settings


@dataclass(frozen=True)
class Platform:
    """Everything that a stage talks to. Nothing here is connected before it is used."""

    settings: Settings
    lake: Lake
    documents: DocumentStore
    registry: ModelRegistry
    promotions: PromotionHistory


@cache
def platform() -> Platform:
    """The one of this process."""
    settings = Settings.load()
    documents = open_documents(settings)
    registry = open_registry(settings)
    return Platform(settings, Lake.from_settings(settings), documents, registry, PromotionHistory(documents, registry))
