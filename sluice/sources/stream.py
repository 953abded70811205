"""A file's bytes as a stream: decompressed on the way, and bounded."""

import io
from pathlib import PurePosixPath
from typing import BinaryIO

import pyarrow as pa

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
_PIECE = 1 << 20
# Below this nobody is harmed, and a small file of zeros may well have a large ratio.
_RATIO_COUNTS_FROM = 256 << 20


class StreamTooLargeError(OSError):
    """Decompressed it is out of proportion."""


def compression_of(name: str) -> str | None:
    return COMPRESSIONS.get(PurePosixPath(name).suffix)


class Stream(io.RawIOBase):
    """Reads ``raw``, which it closes, through the decompression that is named.

    Raises:
        StreamTooLargeError: more than ``max_ratio`` bytes come out of each byte that goes in: a decompression bomb.
        OSError: it is cut off, or not compressed in that way.
    """

    def __init__(self, raw: BinaryIO, compression: str | None, size: int, max_ratio: float) -> None:
        super().__init__()
        self._raw = raw
        self._limit = float("inf") if compression is None else max(_RATIO_COUNTS_FROM, size * max_ratio)
        self._max_ratio = max_ratio
        source = pa.PythonFile(raw, mode="r")
        self._inner = source if compression is None else pa.CompressedInputStream(source, compression)
        self._read = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(_PIECE), b""))
        data: bytes = self._inner.read(size)
        self._read += len(data)
        if self._read > self._limit:
            problem = f"it grows to more than {self._max_ratio:g} times its size when it is decompressed"
            raise StreamTooLargeError(problem)
        return data

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
            self._raw.close()
        super().close()
