"""The lines of a log file, read from either end in blocks: a file of any size is never in memory as a whole."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO, NamedTuple

from sluice.component_logs import LONGEST
from sluice.log_text import continues, read_line

_BLOCK = 64 << 10
# Of a line's bytes; a character may take four.
_LINE = LONGEST * 2
_MOST_CONTINUED = 500
# What `bounds` leaves to be read line by line.
_NEAR = 256 << 10
_DATE = re.compile(rb"\d{4}[-/]\d\d[-/]\d\d[ T]")


class RawEntry(NamedTuple):
    """A line with those that continue it, and where it begins and ends (behind its line break)."""

    start: int
    end: int
    text: bytes


def complete_end(file: BinaryIO) -> int:
    """Where the last line that is whole ends; a process may just be writing the next."""
    size = file.seek(0, 2)
    position = size
    while position > 0:
        step = min(_BLOCK, position)
        position -= step
        file.seek(position)
        found = file.read(step).rfind(b"\n")
        if found >= 0:
            return position + found + 1
    return 0


def entries_before(file: BinaryIO, end: int) -> Iterator[RawEntry]:
    """What ends at or before ``end``, the last first."""
    lines = _lines_before(file, end)
    line = next(lines, None)
    below: list[bytes] = []
    until, held = end, 0
    while line is not None:
        start, text = line
        before = next(lines, None)
        if before and len(below) < _MOST_CONTINUED and held < _LINE and continues(text, before[1]):
            below.append(text)
            held += len(text)
        else:
            yield RawEntry(start, until, b"\n".join([text, *reversed(below)]))
            below, until, held = [], start, 0
        line = before


def _lines_before(file: BinaryIO, end: int) -> Iterator[tuple[int, bytes]]:
    """Where each line begins, and its first bytes without the line break."""
    stop = end
    if end > 0:
        file.seek(end - 1)
        stop = end - 1 if file.read(1) == b"\n" else end
    elif end == 0:
        return
    position = stop
    while position > 0:
        step = min(_BLOCK, position)
        position -= step
        file.seek(position)
        block = file.read(step)
        cut = len(block)
        while (found := block.rfind(b"\n", 0, cut)) >= 0:
            start = position + found + 1
            yield start, _text(file, start, stop, block, position)
            stop, cut = position + found, found
    yield 0, _text(file, 0, stop, b"", 0)


def _text(file: BinaryIO, start: int, stop: int, block: bytes, position: int) -> bytes:
    size = min(stop - start, _LINE)
    if start + size <= position + len(block):
        return block[start - position : start - position + size].rstrip(b"\r")
    file.seek(start)
    return file.read(size).rstrip(b"\r")


def entries_after(file: BinaryIO, start: int) -> Iterator[RawEntry]:
    """What begins at or after ``start`` and is whole, the first first."""
    begin = position = start
    lines: list[bytes] = []
    held = 0
    for end, text in _lines_after(file, start):
        if lines and not (len(lines) < _MOST_CONTINUED and held < _LINE and continues(text, lines[-1])):
            yield RawEntry(begin, position, b"\n".join(lines))
            lines, begin, held = [], position, 0
        lines.append(text)
        held += len(text)
        position = end
    if lines:
        yield RawEntry(begin, position, b"\n".join(lines))


def _lines_after(file: BinaryIO, start: int) -> Iterator[tuple[int, bytes]]:
    """Where each whole line ends, behind its line break, and its first bytes."""
    position = start
    file.seek(start)
    while text := file.readline(_LINE):
        size, part = len(text), text
        while part and not part.endswith(b"\n"):
            part = file.readline(_LINE)
            size += len(part)
        if not part:
            return  # a process is just writing it
        position += size
        yield position, text.rstrip(b"\r\n")


def bounds(file: BinaryIO, moment: datetime, about: datetime) -> tuple[int, int]:
    """Two offsets, some hundred KB apart at most: what is before the first is earlier than ``moment``, what is after
    the second is not. For a long file; its lines must be nearly in order.
    """
    low, high = 0, file.seek(0, 2)
    whole = high
    while high - low > _NEAR:
        middle = (low + high) // 2
        at = _first_time(file, middle, about)
        if at is not None and at >= moment:
            high = middle
        else:
            low = middle
    if high < whole:
        file.seek(high)
        high += len(file.readline())  # a line that began before may be earlier
    return low, high


def _first_time(file: BinaryIO, offset: int, about: datetime) -> datetime | None:
    file.seek(offset)
    file.readline(_LINE)
    for _ in range(_MOST_CONTINUED):
        text = file.readline(_LINE)
        if not text:
            return None
        if _DATE.search(text, 0, 60):
            line, timed = read_line(text, "", about)
            if timed:
                return line.at
    return None
