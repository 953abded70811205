"""For a use case whose ingest makes its own rows."""

import hashlib
import uuid
from collections.abc import Iterator

import polars as pl

from sluice.sources.access import Access
from sluice.sources.options import Options
from sluice.sources.source import BaseSource


class NoSource(BaseSource):
    """Gives no rows. Nothing tells when there is something new, so the ingest always runs."""

    def __init__(self, options: Options, access: Access) -> None:
        super().__init__()

    def fingerprint(self, since: str | None = None) -> str:
        return uuid.uuid4().hex

    def read(self, since: str | None) -> Iterator[pl.DataFrame]:
        return iter(())


class FixedOptions(Options):
    fingerprint: str


class FixedSource(NoSource):
    """Like `NoSource`, but with a fingerprint that the configuration gives."""

    def __init__(self, options: FixedOptions, access: Access) -> None:
        super().__init__(options, access)
        self._fingerprint = options.fingerprint

    def fingerprint(self, since: str | None = None) -> str:
        return hashlib.sha256(self._fingerprint.encode()).hexdigest()[:16]
