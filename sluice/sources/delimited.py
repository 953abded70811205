"""CSV and TSV: a batch at a time, every value as text, and no line is lost."""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv

from sluice.errors import SourceInvalidError
from sluice.sources.line_guard import LineGuard
from sluice.sources.source import Malformed

_BLOCK = 1 << 20
_HEADER_BYTES = 1 << 18
_SEPARATORS = ",;\t|"
# Of lines in a row that are no rows: then it is the file or its options that are wrong, not the lines.
_MOST_MALFORMED = 100_000


@dataclass(frozen=True)
class Delimited:
    """How the lines of one kind of file are to be understood.

    Attributes:
        separator: one character.
        encoding: of the text; a value that is not valid in it is no reason to refuse the rest of the file.
        multiline: whether a quoted value may hold line breaks. Without, a quote that nobody closes spoils one line.
    """

    separator: str = ","
    encoding: str = "utf-8"
    multiline: bool = True

    def read(self, name: str, open: Callable[[], BinaryIO], malformed: list[Malformed]) -> Iterator[pl.DataFrame]:
        """Frames of text columns named by the header; an empty value is null, a quoted empty one is empty text.

        Lines with another number of values than the header, and lines that are not valid in the encoding, are added
        to ``malformed``.

        Raises:
            SourceInvalidError: naming the file and what is wrong with it.
            OSError: from ``open`` and reading.
        """
        try:
            with self._utf8(open()) as stream:
                columns, lines = self._header(name, stream)
            if columns:
                with self._utf8(open()) as stream:
                    yield from self._rows(name, stream, columns, lines, malformed)
        except (UnicodeError, LookupError) as error:
            hint = "Correct source.encoding in use_case.yaml."
            raise SourceInvalidError(source=f"file {name}", problem=str(error), hint=hint) from None

    def _utf8(self, stream: BinaryIO) -> BinaryIO:
        if self.encoding.lower() in {"utf-8", "utf8"}:
            return stream
        return cast("BinaryIO", pa.transcoding_input_stream(pa.PythonFile(stream, mode="r"), self.encoding, "utf8"))

    def _rows(
        self, name: str, stream: BinaryIO, columns: list[str], skip: int, malformed: list[Malformed]
    ) -> Iterator[pl.DataFrame]:
        guard = LineGuard(stream, self.separator, len(columns), self.multiline)

        def note(row: pa_csv.InvalidRow) -> str:
            shape = f"{row.actual_columns} values instead of {row.expected_columns}"
            text, reason = guard.original(row.text) or (row.text, shape)
            malformed.append(Malformed(name, row.number, text, reason))
            return "skip" if len(malformed) < _MOST_MALFORMED else "error"

        try:
            reader = pa_csv.open_csv(
                pa.PythonFile(guard, mode="r"),
                # One thread: only then do malformed lines know their number, and it is no slower.
                pa_csv.ReadOptions(use_threads=False, block_size=_BLOCK, skip_rows=skip, column_names=columns),
                pa_csv.ParseOptions(delimiter=self.separator, newlines_in_values=True, invalid_row_handler=note),
                pa_csv.ConvertOptions(
                    column_types=dict.fromkeys(columns, pa.large_string()),
                    strings_can_be_null=True,
                    null_values=[""],
                    quoted_strings_can_be_null=False,
                ),
            )
            for batch in reader:
                yield pl.DataFrame(pl.from_arrow(batch))
        except pa.ArrowInvalid as error:
            if "Empty CSV" in str(error) or "no data" in str(error):
                return
            hint = "Correct source.separator in use_case.yaml, or the file."
            problem = str(error).splitlines()[0][:300]
            if "straddling" in problem or "out of sync" in problem:
                problem = f"a row does not end within {_BLOCK >> 20} MiB"
            raise SourceInvalidError(source=f"file {name}", problem=problem, hint=hint) from None

    def _header(self, name: str, stream: BinaryIO) -> tuple[list[str], int]:
        """The names of the columns, and how many lines the header takes. Nothing when the file is empty."""
        # A read may give less than it was asked for.
        start = io.BufferedReader(stream, _HEADER_BYTES).read(_HEADER_BYTES)  # type: ignore[type-var]
        if not start.strip():
            return [], 0
        problem = ""
        text = start.decode("utf-8-sig", errors="replace")
        try:
            reader = csv.reader(io.StringIO(text, newline=None), delimiter=self.separator, strict=True)
            columns = next(reader)
        except (csv.Error, StopIteration) as error:
            columns, problem = [], f"its header cannot be read ({error})"
        other = next((s for s in _SEPARATORS if s != self.separator and len(columns) == 1 and s in columns[0]), None)
        doubled = sorted({column for column in columns if columns.count(column) > 1})
        if other is not None:
            problem = f"its header is one column, {columns[0][:80]!r}"
        elif doubled:
            problem = f"its header names {doubled[0]!r} more than once"
        elif any("�" in column or "\0" in column for column in columns):
            problem = f"its header is not text in {self.encoding}"
        if problem:
            meant = f"Is the separator {other!r}? " if other else ""
            hint = f"{meant}Correct source.separator or source.encoding in use_case.yaml, or the file."
            raise SourceInvalidError(source=f"file {name}", problem=problem, hint=hint)
        named = [column.strip() or f"column_{number}" for number, column in enumerate(columns, 1)]
        return named, reader.line_num
