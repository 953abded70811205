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
from pyarrow import feather

from sluice.dataset import EXCHANGE, DataFile, Dataset

_BUFFER_BYTES = 2**20
_TEXT = (pl.String, pl.Categorical, pl.Enum)


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
        # Of numbers, a dictionary takes a fifth more time to write and makes the file larger, not smaller.
        text = [column for column, dtype in frame.schema.items() if dtype in _TEXT]
        with self._open_for_writing(name) as out:
            pq.write_table(frame.to_arrow(), out, compression="zstd", use_dictionary=text)
            size = out.tell()
        return DataFile(path=name, rows=frame.height, size=size)

    def write_exchange(self, frame: pl.DataFrame) -> DataFile:
        """Write one file that other workers read in the next step of the same work and that is never committed.

        Arrow IPC: it takes less than half of what Parquet takes to write, and a shuffle writes every row once more.
        """
        name = f"scatter-{uuid.uuid4().hex}{EXCHANGE}"
        with self._open_for_writing(name) as out:
            feather.write_feather(frame.to_arrow(), out, compression="lz4")
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
        # Buffered: without, an object store's stream gets Arrow's own buffers, and it takes bytes only.
        return self._filesystem().open_output_stream(name, buffer_size=_BUFFER_BYTES)

    def dataset(self, files: list[DataFile]) -> Dataset:
        """The files as a dataset without a version. Empty files are left out."""
        kept = tuple(file for file in files if file.rows)
        return Dataset(self.uri, self.table, None, kept, storage_options=self.storage_options)
