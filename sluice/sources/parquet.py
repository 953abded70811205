"""Parquet: some thousand rows at a time, with the types that it has."""

from collections.abc import Callable, Iterator
from typing import BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from sluice.errors import SourceInvalidError

_BATCH_ROWS = 50_000


def read_parquet(name: str, open: Callable[[], BinaryIO]) -> Iterator[pl.DataFrame]:
    """
    Raises:
        SourceInvalidError: it is no Parquet file, or broken.
        OSError: from ``open`` and reading.
    """
    with open() as file:
        try:
            parquet = pq.ParquetFile(pa.PythonFile(file, mode="r"), pre_buffer=False, buffer_size=1 << 20)
            for batch in parquet.iter_batches(_BATCH_ROWS, use_threads=False):
                yield pl.DataFrame(pl.from_arrow(batch))
        except pa.ArrowException as error:
            hint = "Write the file again, or take it away."
            raise SourceInvalidError(
                source=f"file {name}", problem=str(error).splitlines()[0][:300], hint=hint
            ) from None
