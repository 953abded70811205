"""The composition root of a flow's process and of a Dask worker: settings and the adapters they name."""

from functools import cache, cached_property

from sluice.documents import open_documents
from sluice.lake import Lake
from sluice.models import ModelRegistry, open_registry
from sluice.promotions import PromotionHistory
from sluice.settings import Settings


class Platform:
    """Everything that a stage talks to. Nothing here is connected before it is used."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lake = Lake.from_settings(settings)
        self.documents = open_documents(settings)

    @cached_property
    def registry(self) -> ModelRegistry:
        """Opened when it is used: an ingest is spared the import of MLflow's client."""
        return open_registry(self.settings)

    @cached_property
    def promotions(self) -> PromotionHistory:
        return PromotionHistory(self.documents, self.registry)


@cache
def platform() -> Platform:
    """The one of this process."""
    return Platform(Settings.load())
