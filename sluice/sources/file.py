"""Files: one, or all that a pattern matches."""

import hashlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO, Literal

import polars as pl
from loguru import logger
from pydantic import Field, field_validator

from sluice.errors import SourceInvalidError, SourceUnavailableError
from sluice.sources.access import Access
from sluice.sources.delimited import Delimited
from sluice.sources.json_lines import read_json_lines
from sluice.sources.options import Options
from sluice.sources.parquet import read_parquet
from sluice.sources.source import BaseSource
from sluice.sources.storage import StoredFile, open_storage
from sluice.sources.stream import COMPRESSIONS, Stream, StreamTooLargeError, compression_of
from sluice.sources.watermark import decode, encode, identity

Format = Literal["csv", "tsv", "jsonl", "parquet"]
_FORMATS: dict[str, Format] = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl",
    ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
# The watermark is part of each version's metadata. Of more files the later names are remembered; the others are read
# again when there is a new one, and their rows are known by their key.
_MOST_REMEMBERED = 5_000


class FileOptions(Options):
    path: str = Field(min_length=1, description="a path or pattern, of this machine or such as s3://bucket/*.csv")
    format: Literal["auto", "csv", "tsv", "jsonl", "parquet"] = Field("auto", description="auto: by the name's ending")
    separator: str | None = Field(None, description="between the values of a CSV; a comma, or a tab for TSV")
    encoding: str = Field("utf-8", description="of a CSV")
    multiline: bool = Field(True, description="whether a quoted value of a CSV may hold line breaks")
    max_ratio: float = Field(200, gt=1, description="a compressed file may grow by this factor")

    @field_validator("separator")
    @classmethod
    def _one_character(cls, separator: str | None) -> str | None:
        if separator is not None and (len(separator) != 1 or not separator.isascii() or separator in '"\r\n'):
            raise ValueError(f"one ASCII character that is no quote, not {separator!r}")
        return separator


class FileSource(BaseSource):
    """CSV, TSV, JSON lines and Parquet, compressed (.gz, .zst, .bz2) or not, in the order of their names.

    The watermark holds which files were read, by name and content: a file that is new or has changed is read whole.
    """

    def __init__(self, options: FileOptions, access: Access) -> None:
        super().__init__()
        self._options = options
        self._identity = identity("file", path=options.path)
        self._storage = open_storage(options.path, access.storage_options)

    def fingerprint(self, since: str | None = None) -> str:
        """Of names and contents."""
        digest = hashlib.sha256("".join(self._version(file) for file in self._files()).encode())
        return f"file-{digest.hexdigest()[:16]}"

    def read(self, since: str | None) -> Iterator[pl.DataFrame]:
        known = set((decode(self._identity, since) or {}).get("files", ()))
        files = self._files()
        done = []
        for file in files:
            # Before the reading: a file that grows meanwhile is then read again.
            version = self._version(file)
            done.append(version)
            if version not in known:
                yield from self._read(file)
        if len(files) > _MOST_REMEMBERED:
            logger.info("{} files match; which of the first were read is not remembered", len(files))
        self.watermark = encode(self._identity, {"files": done[-_MOST_REMEMBERED:]})

    def _files(self) -> list[StoredFile]:
        try:
            files = self._storage.list(self._options.path)
        except OSError as error:
            raise self._unavailable(self._options.path, error) from None
        if not files:
            hint = "Correct source.path in use_case.yaml; a relative path starts at the working directory."
            raise SourceUnavailableError(source=f"file {self._options.path}", problem="no file matches", hint=hint)
        return files

    def _version(self, file: StoredFile) -> str:
        try:
            version = f"{PurePosixPath(file.path).name}\0{self._storage.version(file)}"
        except OSError as error:
            raise self._unavailable(file.name, error) from None
        return hashlib.sha256(version.encode()).hexdigest()[:16]

    def _read(self, file: StoredFile) -> Iterator[pl.DataFrame]:
        options = self._options
        format = _format(file.name) if options.format == "auto" else options.format

        def open() -> BinaryIO:
            raw = self._storage.open(file)
            return Stream(raw, compression_of(file.name), file.size, options.max_ratio)  # type: ignore[return-value]

        try:
            if format == "parquet":
                yield from read_parquet(file.name, lambda: self._storage.open(file))
            elif format == "jsonl":
                yield from read_json_lines(file.name, open, self.malformed)
            else:
                separator = options.separator or ("\t" if format == "tsv" else ",")
                delimited = Delimited(separator, options.encoding, options.multiline)
                yield from delimited.read(file.name, open, self.malformed)
        except StreamTooLargeError as error:
            hint = "If that is right, raise source.max_ratio in use_case.yaml."
            raise SourceInvalidError(source=f"file {file.name}", problem=str(error), hint=hint) from None
        except (FileNotFoundError, PermissionError, ConnectionError, TimeoutError) as error:
            raise self._unavailable(file.name, error) from None
        except OSError as error:
            if "://" in file.name:  # a failed request looks like a broken file
                raise self._unavailable(file.name, error) from None
            hint = "Correct the file, or take it away, and run the ingest again. Nothing of it was written."
            raise SourceInvalidError(source=f"file {file.name}", problem=str(error), hint=hint) from None

    def _unavailable(self, name: str, error: OSError) -> SourceUnavailableError:
        hint = "Is it there, and may this process read it? For an object store set SLUICE_SOURCES__STORAGE_OPTIONS."
        return SourceUnavailableError(source=f"file {name}", problem=str(error)[:500], hint=hint)


def _format(name: str) -> Format:
    path = PurePosixPath(name)
    suffix = PurePosixPath(path.stem).suffix if path.suffix in COMPRESSIONS else path.suffix
    if suffix.lower() not in _FORMATS:
        hint = "Set source.format in use_case.yaml: csv, tsv, jsonl or parquet."
        problem = f"its name does not tell its format ({', '.join(_FORMATS)}, or one of these and .gz, .zst or .bz2)"
        raise SourceInvalidError(source=f"file {name}", problem=problem, hint=hint)
    return _FORMATS[suffix.lower()]
