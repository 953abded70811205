"""The protocol of a source, and the book-keeping that its implementations share."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import polars as pl


@dataclass(frozen=True)
class Malformed:
    """Something that should have been a row and cannot be read as one.

    Attributes:
        where: the file or address it is in.
        line: its number there, a header being 1, a quoted value with line breaks counting once; None if not known.
        text: as it came.
    """

    where: str
    line: int | None
    text: str
    reason: str


def take_out(malformed: list[Malformed]) -> list[Malformed]:
    """Empty the list and give what was in it.

    What a reader's own thread adds meanwhile stays: PyArrow parses the next block while a batch is being worked on.
    """
    taken = list(malformed)
    del malformed[: len(taken)]
    return taken


class Source(Protocol):
    """Rows as they come, before any contract.

    Attributes:
        watermark: how far the last `read` came, for the next one's ``since``; opaque to everyone else. None until the
            last batch was taken, so that it can only be committed together with all of the rows.
        malformed: what `read` met that is no row. Whoever takes the batches takes these out after each, by
            `take_out`: a reader may add more at any time.
    """

    watermark: str | None
    malformed: list[Malformed]

    def fingerprint(self, since: str | None = None) -> str:
        """Changes when there may be something that a reading up to ``since`` has not seen; equal ones skip the ingest.

        Raises:
            SourceUnavailableError: it does not answer, and may later.
            SourceInvalidError: it cannot be read until somebody changes something.
        """
        ...

    def read(self, since: str | None) -> Iterator[pl.DataFrame]:
        """Batches bounded in memory, those after the watermark ``since`` where the source can tell.

        A value is text or of a native type; batches may differ in columns and types. A row may come again.

        Raises:
            SourceUnavailableError, SourceInvalidError: see `fingerprint`.
        """
        ...


class BaseSource(ABC):
    """A `Source` that has no watermark, until its `read` sets one."""

    def __init__(self) -> None:
        self.watermark: str | None = None
        self.malformed: list[Malformed] = []

    @abstractmethod
    def fingerprint(self, since: str | None = None) -> str: ...

    @abstractmethod
    def read(self, since: str | None) -> Iterator[pl.DataFrame]: ...
