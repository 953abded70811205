"""A use case on trial: a sample of its rows, and what its steps made of them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
from pydantic import BaseModel

from sluice.compute import InProcessCompute
from sluice.dataset import DataFile, Dataset, Partition
from sluice.lake import Lake
from sluice.settings import Settings
from sluice.sources.source import BaseSource, Source, take_out
from sluice.use_case import UseCase


class SplitDataset(Dataset):
    """One whose every file is a partition: a sample is too small for `Dataset` to make several of it."""

    def partitions(self, min_rows: int = 1, at_most: int = 16) -> list[Partition]:
        return super().partitions(1, at_most)


class Sample(BaseSource):
    """The first rows of a source, and what was taken of them."""

    def __init__(self, source: Source, rows: int) -> None:
        super().__init__()
        self._source, self._rows = source, rows
        self.taken: list[pl.DataFrame] = []

    def fingerprint(self, since: str | None = None) -> str:
        return self._source.fingerprint(since)

    def read(self, since: str | None) -> Iterator[pl.DataFrame]:
        self.taken, left = [], self._rows
        for batch in self._source.read(since):
            self.malformed += take_out(self._source.malformed)
            self.taken.append(batch.head(left))
            yield self.taken[-1]
            left -= self.taken[-1].height
            if left <= 0:
                return


class Replay(BaseSource):
    """A source of given batches."""

    def __init__(self, batches: list[pl.DataFrame]) -> None:
        super().__init__()
        self._batches = batches

    def fingerprint(self, since: str | None = None) -> str:
        return "replay"

    def read(self, since: str | None) -> Iterator[pl.DataFrame]:
        return iter(self._batches)


@dataclass
class Trial:
    """What one check found goes to the next ones.

    Attributes:
        folder: for the trial's own tables and models.
        rows: at most this many are taken from the source.
        read: rows as the source gave them; empty for an ingest that makes its own.
        given: rows as ingest gave them, in its columns.
        accepted: those of them that meet the contract.
        asked: what models are asked to compare their answers.
    """

    name: str
    folder: Path
    rows: int
    settings: Settings
    use_case: UseCase = field(init=False)
    params: BaseModel = field(init=False)
    read: list[pl.DataFrame] = field(init=False)
    given: pl.DataFrame = field(init=False)
    accepted: pl.DataFrame = field(init=False)
    features: Dataset = field(init=False)
    parts: tuple[Dataset, Dataset] = field(init=False)
    model: Any = field(init=False)
    example: pd.DataFrame = field(init=False)
    asked: pd.DataFrame = field(init=False)
    loaded: Any = field(init=False)

    @property
    def steps(self) -> Any:
        return self.use_case.steps

    @property
    def lake(self) -> Lake:
        return Lake(str(self.folder))

    def compute(self) -> InProcessCompute:
        return InProcessCompute(self.lake.staging(f"features/{self.name}"))

    def dataset(self, rows: pl.DataFrame, files: int = 1) -> Dataset:
        """The rows as a dataset of one file, or scattered over several, one partition each."""
        staging = self.lake.staging(f"raw/{self.name}")
        written: list[DataFile] = [
            staging.write(rows.gather_every(files, offset)) for offset in range(min(files, rows.height))
        ]
        one = staging.dataset(written)
        return one if files == 1 else SplitDataset(one.uri, one.table, None, one.files)

    def build(self, rows: pl.DataFrame, files: int = 1) -> Dataset:
        built: Dataset = self.steps.build_features(self.dataset(rows, files), self.params, self.compute())
        return built
