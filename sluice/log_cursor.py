"""Where a reader of log files has come to, as text that a client keeps: a place in a file of each service.

A file is known by its inode and its first bytes, so that a place stays one when the file is rotated to another name,
and is none any more when another file has got the inode.
"""

import base64
import binascii
import os
import zlib
from typing import BinaryIO, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from sluice.errors import InputInvalidError

_HEAD = 64

Direction = Literal["older", "newer"]


class Place(NamedTuple):
    """An offset in bytes in the file with this inode, whose first ``head`` bytes have this checksum."""

    inode: int
    head: int
    checksum: int
    offset: int

    @classmethod
    def of(cls, file: BinaryIO, offset: int) -> "Place":
        head = _head(file, _HEAD)
        return cls(os.fstat(file.fileno()).st_ino, len(head), zlib.crc32(head), offset)

    def at(self, offset: int) -> "Place":
        return self._replace(offset=offset)

    def within(self, file: BinaryIO) -> bool:
        """Whether this is the file."""
        if os.fstat(file.fileno()).st_ino != self.inode:
            return False
        return zlib.crc32(_head(file, self.head)) == self.checksum


def _head(file: BinaryIO, size: int) -> bytes:
    return os.pread(file.fileno(), max(0, min(size, _HEAD)), 0)


class LogCursor(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    to: Direction
    places: dict[str, Place]

    def text(self) -> str:
        return base64.urlsafe_b64encode(self.model_dump_json().encode()).decode().rstrip("=")

    @classmethod
    def of_text(cls, text: str) -> "LogCursor":
        """Raises InputInvalidError: it is none."""
        try:
            content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            return cls.model_validate_json(content)
        except (ValidationError, binascii.Error, ValueError):
            raise cursor_invalid() from None


def cursor_invalid() -> InputInvalidError:
    problem = "it is none of this log's; take one as the answer before gave it, in next or newer"
    return InputInvalidError(field="cursor", problem=problem)
