"""Where workers put files before one transaction commits them."""

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cloudpickle
import polars as pl
import pyarrow.fs as pa_fs
import pyarrow.parquet as pq
from deltalake.fs import DeltaStorageHandler

from sluice.dataset import DataFile, Dataset


@dataclass(frozen=True)
class Staging:
    """A table's folder, as a place for new files.

    A file is invisible until `Lake.commit` names it, so a task that dies or runs twice leaves only orphans, which
    `Lake.vacuum` removes. Picklable: it travels to workers.
    """

    uri: str
    table: str
    storage_options: Mapping[str, str] = field(default_factory=dict, repr=False)

    def write(self, frame: pl.DataFrame, prefix: str = "part") -> DataFile:
        """Write one Parquet file under a name that nothing else has."""
        name = f"{prefix}-{uuid.uuid4().hex}.parquet"
        with self._open_for_writing(name) as out:
            pq.write_table(frame.to_arrow(), out, compression="zstd")
            size = out.tell()
        return DataFile(path=name, rows=frame.height, size=size)

    def save(self, thing: Any, prefix: str) -> str:
        """Pickle something too large to travel between tasks (a fitted model); gives the file's name."""
        name = f"{prefix}-{uuid.uuid4().hex}.pickle"
        with self._open_for_writing(name) as out:
            out.write(cloudpickle.dumps(thing))
        return name

    def load(self, name: str) -> Any:
        """Read back what `save` wrote. Only ever our own files: the lake is as trusted as the code."""
        with self._filesystem().open_input_file(name) as file:
            return cloudpickle.loads(file.read())

    def exists(self, name: str) -> bool:
        return bool(self._filesystem().get_file_info(name).type == pa_fs.FileType.File)

    def _filesystem(self) -> pa_fs.FileSystem:
        if "://" in self.uri:
            return pa_fs.PyFileSystem(DeltaStorageHandler(self.uri, dict(self.storage_options)))
        return pa_fs.SubTreeFileSystem(self.uri, pa_fs.LocalFileSystem())

    def _open_for_writing(self, name: str) -> Any:
        if "://" not in self.uri:
            os.makedirs(self.uri, exist_ok=True)
        return self._filesystem().open_output_stream(name)

    def dataset(self, files: list[DataFile]) -> Dataset:
        """The files as a dataset without a version. Empty files are left out."""
        kept = tuple(file for file in files if file.rows)
        return Dataset(self.uri, self.table, None, kept, storage_options=self.storage_options)
