"""A body that is read several times, by readers that close what they have read."""

import io
from typing import IO


class Unclosed(io.RawIOBase):
    """Reads ``body`` from its start, and leaves it open."""

    def __init__(self, body: IO[bytes]) -> None:
        super().__init__()
        body.seek(0)
        self._body = body

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        return self._body.read(-1 if size is None else size)

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
