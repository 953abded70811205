"""A dataset: a handle on one version of a table, light enough to travel to a worker.

It names Parquet files and a row filter, never holds rows. Between stages travels only the `TableRef` it came from.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO

import polars as pl

from sluice.references import TableRef

EXCHANGE = ".arrow"  # what files between two steps of a shuffle end with; tables have Parquet files only


_MANY_ROWS = 400_000


@dataclass(frozen=True)
class DataFile:
    """One file: its path below the table's folder, its rows and its size in bytes."""

    path: str
    rows: int
    size: int


@dataclass(frozen=True)
class Partition:
    """Some files of a dataset, read together by one task."""

    uri: str
    files: tuple[DataFile, ...]
    predicate: str | None = None
    storage_options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def rows(self) -> int:
        """Rows of the files, before the filter."""
        return sum(file.rows for file in self.files)

    def scan(self) -> pl.LazyFrame:
        paths = [f"{self.uri}/{file.path}" for file in self.files]
        scan = pl.scan_ipc if paths[0].endswith(EXCHANGE) else pl.scan_parquet
        frame = scan(paths, storage_options=dict(self.storage_options) or None)
        return frame if self.predicate is None else frame.filter(_expression(self.predicate))

    def read(self) -> pl.DataFrame:
        return self.scan().collect()


@dataclass(frozen=True)
class Dataset:
    """A version of a table (``version`` set), or files that are written but not yet committed (``version`` None).

    Attributes:
        uri: the table's folder or object store prefix.
        table: its name in the lake, such as ``features/movies``.
        predicate: a serialised Polars expression that every read applies.
    """

    uri: str
    table: str
    version: int | None
    files: tuple[DataFile, ...]
    predicate: str | None = None
    storage_options: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        count = f"{len(self.files)} file{'s' * (len(self.files) != 1)} for {self.table}"
        where = count if self.version is None else f"{self.table}@{self.version}"
        return where if self.predicate is None else f"{where}, filtered"

    @property
    def ref(self) -> TableRef:
        if self.version is None:
            raise ValueError(f"{self.table}: these files are not committed, so they have no version")
        return TableRef(table=self.table, version=self.version)

    @property
    def file_rows(self) -> int:
        """Rows of the files, before the filter: free to ask."""
        return sum(file.rows for file in self.files)

    @property
    def rows(self) -> int:
        """Rows that a read gives."""
        return self.file_rows if self.predicate is None else self.scan().select(pl.len()).collect().item()

    @property
    def schema(self) -> pl.Schema:
        return self.scan().collect_schema()

    def _partition(self, files: Iterable[DataFile]) -> Partition:
        return Partition(self.uri, tuple(files), self.predicate, self.storage_options)

    def scan(self) -> pl.LazyFrame:
        if not self.files:
            raise ValueError(f"{self.table} has no rows in this version, so it has no schema either")
        return self._partition(self.files).scan()

    def read(self) -> pl.DataFrame:
        return self.scan().collect()

    def partitions(self, min_rows: int = 25_000, at_most: int = 16) -> list[Partition]:
        """Group neighbouring files into parts of at least ``min_rows`` rows, ``at_most`` of them.

        Many small files make few tasks, and a shuffle between partitions makes at most the square of ``at_most`` files.
        Where parts would be of more than half a million rows there are more of them, up to four times ``at_most``: a
        worker holds a few copies of one in memory.
        """
        wanted = max(min_rows, min(-(-self.file_rows // at_most), _MANY_ROWS), -(-self.file_rows // (4 * at_most)))
        groups: list[list[DataFile]] = [[]]
        rows = 0
        for file in self.files:
            if rows >= wanted:
                groups.append([])
                rows = 0
            groups[-1].append(file)
            rows += file.rows
        return [self._partition(group) for group in groups if group]

    def unknown(self, rows: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
        """Those of ``rows`` whose key the dataset does not have. Its own keys pass by and are not held in memory."""
        if rows.is_empty() or not self.files:
            return rows
        wanted = rows.lazy().select(key).unique()
        known = self.scan().select(key).join(wanted, on=key, how="semi").collect(engine="streaming")
        return rows.join(known, on=key, how="anti")

    def where(self, predicate: pl.Expr) -> "Dataset":
        """The rows for which ``predicate`` (and any earlier one) holds."""
        both = predicate if self.predicate is None else _expression(self.predicate) & predicate
        return replace(self, predicate=both.meta.serialize(format="json"))


def _expression(serialised: str) -> pl.Expr:
    return pl.Expr.deserialize(BytesIO(serialised.encode()), format="json")
