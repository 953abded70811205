"""A service's access with a real store of keys, which comes and goes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from serving.access import Access
from sluice.api_keys import ApiKeys
from sluice.documents import DocumentStore
from sluice.embedded_documents import EmbeddedDocuments


class World:
    """A folder with a real store, its keys, and services that come and go."""

    def __init__(self, folder: Path) -> None:
        self.copy = folder / "home" / "api_keys.json"
        (folder / "store").mkdir()
        self.store = EmbeddedDocuments(str(folder / "store" / "documents.db"))
        self.keys = ApiKeys(self.store)
        self.metrics = CollectorRegistry()
        self._way = folder / "way"
        self._way.symlink_to("store")

    def open_store(self) -> DocumentStore:
        return EmbeddedDocuments(str(self._way / "documents.db"))

    def take_store_away(self) -> None:
        """From services that start now: the real store's real answer when it cannot get at its folder."""
        self._way.unlink()
        self._way.write_text("a file is no folder")

    def give_store_back(self) -> None:
        # In one step: a service that looks in between would make the folder anew.
        new = self._way.with_name("new way")
        new.symlink_to("store")
        new.replace(self._way)

    @contextmanager
    def access(
        self, *, required: bool = True, seconds: float = 0.02, bootstrap_key: str = "", public: tuple[str, ...] = ()
    ) -> Iterator[Access]:
        self.metrics = CollectorRegistry()
        access = Access(
            self.open_store, self.copy, required, seconds, self.metrics, public=public, bootstrap_key=bootstrap_key
        )
        access.start()
        try:
            yield access
        finally:
            access.close()

    def failures(self, reason: str) -> float | None:
        return self.metrics.get_sample_value("sluice_authentication_failures_total", {"reason": reason})
