"""What a source gave, put into files of one schema, with how far it was read."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from sluice.contracts import REASON
from sluice.dataset import DataFile, Dataset, Partition
from sluice.sources.source import take_out

if TYPE_CHECKING:
    from sluice.sources import Malformed, Source
    from sluice.staging import Staging

# What `Dataset.partitions` would read together anyway is put into one file, unless its rows are very wide.
_FILE_ROWS = 25_000
_FILE_BYTES = 32 << 20
MALFORMED = "malformed line"


@dataclass(frozen=True)
class Arrived:
    """Staged, not committed.

    Attributes:
        rows: as they came, with the columns of all batches.
        malformed: what was no row, in the form of the quarantine table.
        watermark: the source's, to be committed together with the rows.
    """

    rows: Dataset
    malformed: Dataset
    watermark: str | None = None


def take_in(
    batches: Iterable[pl.DataFrame], source: "Source", raw: "Staging", quarantine: "Staging", key: str
) -> Arrived:
    """Stage batches as they come, a few at a time in memory.

    Batches of different schemas (a file that gained a column, a field that was a number and is text now) are brought
    to one that holds all of their values, so that later a contract can judge each row.

    Args:
        batches: what a use case's ingest makes of what ``source`` reads.
        key: of the work, on the quarantined lines.
    """
    files: dict[DataFile, pl.Schema] = {}
    malformed: list[DataFile] = []
    waiting: list[pl.DataFrame] = []

    def flush() -> None:
        if waiting:
            frame = pl.concat(waiting)
            files[raw.write(frame, prefix="arrived")] = frame.schema
            waiting.clear()

    def keep_malformed() -> None:
        if taken := take_out(source.malformed):
            malformed.append(quarantine.write(_refused(taken, key)))

    for batch in batches:
        keep_malformed()
        if waiting and waiting[0].schema != batch.schema:
            flush()
        if batch.height:
            waiting.append(batch)
        rows, size = sum(frame.height for frame in waiting), sum(frame.estimated_size() for frame in waiting)
        if rows >= _FILE_ROWS or size >= _FILE_BYTES:
            flush()
    flush()
    keep_malformed()
    return Arrived(raw.dataset(_of_one_schema(files, raw)), quarantine.dataset(malformed), source.watermark)


def _refused(malformed: "Iterable[Malformed]", key: str) -> pl.DataFrame:
    rows = [
        {
            REASON: f"{MALFORMED}: {one.reason}",
            "row": json.dumps({"where": one.where, "line": one.line, "text": one.text}),
        }
        for one in malformed
    ]
    return pl.DataFrame(rows).with_columns(key=pl.lit(key), at=pl.lit(datetime.now(UTC)))


def _of_one_schema(files: Mapping[DataFile, pl.Schema], raw: "Staging") -> list[DataFile]:
    """The files, those rewritten that lack a column or have another type in one."""
    wanted: dict[str, pl.DataType] = {}
    for schema in files.values():
        for name, dtype in schema.items():
            wanted[name] = _common(wanted[name], dtype) if name in wanted else dtype
    kept = []
    for file, schema in files.items():
        if dict(schema) == wanted:
            kept.append(file)
            continue
        frame = Partition(raw.uri, (file,), None, raw.storage_options).read()
        columns = [
            _cast(frame[name], dtype) if name in frame.columns else pl.Series(name, [None] * frame.height, dtype=dtype)
            for name, dtype in wanted.items()
        ]
        kept.append(raw.write(pl.DataFrame(columns), prefix="arrived"))
    return kept


def _common(one: pl.DataType, other: pl.DataType) -> pl.DataType:
    """A type that holds the values of both as they are; text where no other does."""
    if one == other or other == pl.Null:
        return one
    if one == pl.Null:
        return other
    small = {pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32}
    if {one, other} <= small:
        return pl.Int64()
    if {one, other} == {pl.Float32(), pl.Float64()}:
        return pl.Float64()
    if isinstance(one, pl.Datetime) and isinstance(other, pl.Datetime) and one.time_zone == other.time_zone:
        return pl.Datetime("us", one.time_zone)
    return pl.String()


def _cast(values: pl.Series, dtype: pl.DataType) -> pl.Series:
    if dtype == pl.String and (values.dtype.is_nested() or values.dtype == pl.Binary):
        return pl.Series(values.name, [_text(value) for value in values.to_list()], dtype=pl.String)
    return values.cast(dtype)


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return None if value is None else json.dumps(value, default=str, ensure_ascii=False)
