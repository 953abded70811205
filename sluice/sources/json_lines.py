"""JSON lines: an object a line."""

import io
import json
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import polars as pl

from sluice.errors import SourceInvalidError
from sluice.sources.records import to_frame
from sluice.sources.source import Malformed

_BATCH_BYTES = 4 << 20
_BATCH_LINES = 50_000
_LONGEST_LINE = 16 << 20
_KEPT_TEXT = 10_000
_MOST_MALFORMED = 100_000


def read_json_lines(name: str, open: Callable[[], BinaryIO], malformed: list[Malformed]) -> Iterator[pl.DataFrame]:
    """Frames of some thousand lines. A line that is no JSON object is added to ``malformed``.

    Raises:
        SourceInvalidError: hardly a line is an object, so this is another kind of file.
        OSError: from ``open`` and reading.
    """
    records: list[dict[str, Any]] = []
    size = 0
    with open() as stream:
        for number, line in enumerate(_lines(stream), 1):
            record = _parse(name, number, line, malformed)
            if record is not None:
                records.append(record)
            if len(malformed) >= _MOST_MALFORMED:
                problem = f"{_MOST_MALFORMED:,} lines up to line {number:,} are no JSON objects"
                hint = "Correct source.format in use_case.yaml, or the file."
                raise SourceInvalidError(source=f"file {name}", problem=problem, hint=hint)
            size += len(line)
            if size >= _BATCH_BYTES or len(records) >= _BATCH_LINES:
                yield to_frame(records)
                records, size = [], 0
    yield to_frame(records)


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Lines, of which one that is too long comes cut off."""
    buffered = io.BufferedReader(stream, 1 << 20)  # type: ignore[type-var]
    while line := buffered.readline(_LONGEST_LINE):
        yield line
        whole = line.endswith(b"\n") or len(line) < _LONGEST_LINE
        while not whole:
            rest = buffered.readline(_LONGEST_LINE)
            whole = rest.endswith(b"\n") or not rest


def _parse(name: str, number: int, line: bytes, malformed: list[Malformed]) -> dict[str, Any] | None:
    if not line.strip():
        return None
    try:
        if len(line) >= _LONGEST_LINE and not line.endswith(b"\n"):
            raise ValueError(f"longer than {_LONGEST_LINE >> 20} MiB")
        record = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"), parse_constant=_refuse)
        if isinstance(record, dict):
            return record
        reason = f"a JSON {type(record).__name__} and not an object"
    except (ValueError, RecursionError) as error:  # of which are JSONDecodeError and UnicodeDecodeError
        reason = f"no JSON: {str(error) or 'nested too deeply'}"
    text = line[:_KEPT_TEXT].decode(errors="backslashreplace").rstrip("\r\n")
    malformed.append(Malformed(name, number, text, reason))
    return None


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")
