"""Lines of a CSV that would spoil others: with quotes that do not match, or bytes that are no text."""

import io
import re
from typing import BinaryIO

_PIECE = 1 << 20
_MARK = "\0malformed-"
_QUOTE = "a quote that is not closed, or closed in the middle of a value"
_ENCODING = "not valid UTF-8"


class LineGuard(io.RawIOBase):
    """Passes a CSV on; a line that would spoil others is replaced by one that is no row (see `original`).

    A CSV reader takes everything up to the next quote for one value, and up to the end of the file if there is none:
    good rows would be lost without a word. A quote inside an unquoted value is an ordinary character. One byte that is
    not UTF-8 would fail the whole file.

    Args:
        raw: begins with a well-formed header.
        columns: how many values a row has.
        multiline: whether a quoted value may hold line breaks.
    """

    def __init__(self, raw: BinaryIO, separator: str, columns: int, multiline: bool) -> None:
        super().__init__()
        self._raw = raw
        self._filler = separator.encode() * columns  # one value too many, however many there should be
        self._lines: dict[str, tuple[str, str]] = {}
        self._replacements = 0
        self._ready, self._carry, self._ended = b"", b"", False
        between = rb"[" + re.escape(separator.encode()) + rb"\r\n]"
        inside = rb'"(?:[^"]++|"")*+"' if multiline else rb'"(?:[^"\n]++|"")*+"'
        line = rb'(?:[^"\n]++|(?<!' + between + rb')"|(?<=' + between + rb")" + inside + rb"(?=" + between + rb"))*+"
        self._multiline = multiline
        self._row, self._quoted = re.compile(line), re.compile(inside)
        self._rows = re.compile(rb"(?:" + line + rb"\n)*+")

    def original(self, text: str) -> tuple[str, str] | None:
        """The line that was replaced by ``text``, and why; None when it is the file's own."""
        return self._lines.pop(text.rstrip(self._filler.decode()), None) if text.startswith(_MARK) else None

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        while not self._ready and not self._ended:
            self._fill()
        size = len(self._ready) if size is None or size < 0 else size
        data, self._ready = self._ready[:size], self._ready[size:]
        return data

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()

    def _fill(self) -> None:
        piece = self._raw.read(_PIECE)
        self._ended = not piece
        data = self._carry + piece
        if self._ended and data and not data.endswith(b"\n"):
            data += b"\n"
        # In front is what a field at the beginning has in front of it elsewhere.
        self._ready, self._carry = self._checked(b"\n" + data)
        if len(self._carry) > 2 * _PIECE:  # no line ends: somebody else will complain
            self._ready, self._carry = self._ready + self._carry, b""

    def _checked(self, data: bytes) -> tuple[bytes, bytes]:
        """The lines of ``data`` that are complete, and the rest, which begins with a line."""
        if b'"' not in data:
            cut = data.rfind(b"\n") + 1
            return self._text(data[1:cut]), data[cut:]
        parts = []
        start = 1
        while True:
            end = _end(self._rows, data, start)
            parts.append(self._text(data[start:end]))
            start = end
            broken = self._broken(data, start) if start < len(data) else None
            if broken is None:
                break
            parts.append(self._replaced(data[start:broken], _QUOTE))
            start = broken + 1
        rest = data[start:]
        return b"".join(parts), rest

    def _broken(self, data: bytes, start: int) -> int | None:
        """Where the line at ``start`` ends, if its quotes do not match; None when it may only be incomplete."""
        stop = _end(self._row, data, start)
        if stop >= len(data):
            return None
        line_end = data.find(b"\n", stop)
        closed = self._quoted.match(data, stop)
        if closed is not None:
            undecided = closed.end() >= len(data)
        else:
            undecided = not self._ended and (line_end < 0 if not self._multiline else len(data) - stop < _PIECE)
        return None if undecided or line_end < 0 else line_end

    def _text(self, rows: bytes) -> bytes:
        """Whole rows, those replaced that are not UTF-8."""
        if _is_utf8(rows):
            return rows
        # With what is in front of a field elsewhere, as in `_fill`.
        data, parts, start = b"\n" + rows, [], 1
        while start < len(data):
            end = _end(self._row, data, start) + 1
            row = data[start:end]
            parts.append(row if _is_utf8(row) else self._replaced(row.rstrip(b"\n"), _ENCODING))
            start = end
        return b"".join(parts)

    def _replaced(self, line: bytes, reason: str) -> bytes:
        self._replacements += 1
        name = f"{_MARK}{self._replacements}"
        self._lines[name] = line.decode(errors="backslashreplace").rstrip("\r"), reason
        return name.encode() + self._filler + b"\n"


def _end(pattern: "re.Pattern[bytes]", data: bytes, start: int) -> int:
    found = pattern.match(data, start)
    return start if found is None else found.end()


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
