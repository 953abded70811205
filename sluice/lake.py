"""The lake: versioned Delta tables.

Workers write Parquet files (`sluice.staging`), one transaction commits them: a table is never half-written, and
readers of an older version are not disturbed. A commit carries the ``key`` of the work that made it, so the same work
done twice is one version.
"""

import json
import random
import time
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import polars as pl
from deltalake import DeltaTable, Schema
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.exceptions import TableNotFoundError as DeltaTableNotFoundError
from deltalake.transaction import AddAction, CommitProperties, create_table_with_add_actions
from pydantic import BaseModel, ConfigDict

from sluice.dataset import DataFile, Dataset
from sluice.errors import (
    TableMovedError,
    TableNotFoundError,
    TableSchemaChangedError,
    TableWriteConflictError,
    VersionNotFoundError,
)
from sluice.references import TableRef
from sluice.settings import Settings
from sluice.staging import Staging

KEY = "sluice.key"
WATERMARK = "sluice.watermark"
# delta-rs numbers history from the snapshot it opened, which is wrong while others commit: a commit says its own.
VERSION = "sluice.version"
Mode = Literal["append", "overwrite"]
# Time travel is the point of the lake: neither the log nor the files of old versions may vanish by default.
_CONFIGURATION = {
    "delta.logRetentionDuration": "interval 3650 days",
    "delta.deletedFileRetentionDuration": "interval 3650 days",
}
_COMMIT_ATTEMPTS = 10


class TableVersion(BaseModel):
    """One entry of a table's log."""

    model_config = ConfigDict(frozen=True)

    table: str
    version: int
    created_at: datetime
    rows: int
    mode: str
    key: str
    metadata: dict[str, str]


class Lake:
    """Tables below one folder or object store prefix, named such as ``raw/movies``."""

    def __init__(self, uri: str, storage_options: Mapping[str, str] | None = None) -> None:
        self.uri = uri.rstrip("/")
        self._options = dict(storage_options or {})

    @classmethod
    def from_settings(cls, settings: Settings) -> "Lake":
        return cls(settings.lake_uri, settings.lake_storage_options)

    def staging(self, table: str) -> Staging:
        return Staging(f"{self.uri}/{table}", table, self._options)

    def write(self, table: str, frame: pl.DataFrame, *, key: str, mode: Mode = "append") -> TableRef:
        """Write one frame that fits in memory; see `commit` for the rest."""
        return self.commit(self.staging(table).dataset([self.staging(table).write(frame)]), key=key, mode=mode)

    def commit(
        self,
        staged: Dataset,
        *,
        key: str,
        mode: Mode = "append",
        metadata: Mapping[str, str] | None = None,
        onto: int | None = None,
    ) -> TableRef:
        """Make staged files the next version of their table.

        A version that the same ``key`` made before is returned instead of a second one. An append without rows makes
        no version when the table has one.

        Args:
            onto: the version that the files were made for, -1 for a table that does not exist.

        Raises:
            TableMovedError: the table has a later version than ``onto``.
            TableWriteConflictError: other writers won ten times in a row.
            TableNotFoundError: nothing staged, and the table does not exist.
        """
        for attempt in range(_COMMIT_ATTEMPTS):
            # The log is read and written through one snapshot, and a commit that is not the very next version fails:
            # so nobody can slip the same key in between.
            opened = self._open(staged.table)
            made = _find(opened, key)
            if made is not None:
                return TableRef(table=staged.table, version=made)
            if not staged.files:
                if opened is None:
                    raise TableNotFoundError(table=staged.table, hint="The source gave no rows.")
                return TableRef(table=staged.table, version=_latest(opened))
            if onto is not None and opened is not None and _latest(opened) != onto:
                raise TableMovedError(table=staged.table, version=_latest(opened))
            try:
                self._commit(staged, opened, key, mode, metadata or {})
            except DeltaError as error:
                lost_race = isinstance(error, CommitFailedError) or (opened is None and self._open(staged.table))
                if not lost_race:
                    raise
                time.sleep(random.uniform(0, 0.05 * 2**attempt))
        raise TableWriteConflictError(table=staged.table, attempts=_COMMIT_ATTEMPTS)

    def _commit(
        self, staged: Dataset, opened: DeltaTable | None, key: str, mode: Mode, metadata: Mapping[str, str]
    ) -> None:
        now = int(time.time() * 1000)
        # The order of the files is kept in their times, so that the same work gives the same rows in the same order.
        actions = [_add_action(file, now + order) for order, file in enumerate(staged.files)]
        version = 0 if opened is None else opened.version() + 1
        properties = CommitProperties(
            custom_metadata={
                KEY: key,
                VERSION: str(version),
                "sluice.rows": str(staged.file_rows),
                "sluice.mode": mode,
                **metadata,
            },
            max_commit_retries=0,
        )
        schema = Schema.from_arrow(staged.scan().limit(0).collect().to_arrow().schema)
        if opened is None:
            create_table_with_add_actions(
                staged.uri, schema, actions, mode="error", configuration=_CONFIGURATION,
                storage_options=self._options or None, commit_properties=properties,
            )  # fmt: skip
            return
        if mode == "append":
            _check_same_columns(staged.table, opened.schema(), schema)
        opened.create_write_transaction([*actions], mode, schema, commit_properties=properties)

    def _open(self, table: str, version: int | None = None) -> DeltaTable | None:
        try:
            return DeltaTable(f"{self.uri}/{table}", version=version, storage_options=self._options or None)
        except DeltaTableNotFoundError:
            return None

    def latest(self, table: str) -> TableRef | None:
        opened = self._open(table)
        return None if opened is None else TableRef(table=table, version=_latest(opened))

    def latest_or_raise(self, table: str) -> TableRef:
        latest = self.latest(table)
        if latest is None:
            raise TableNotFoundError(table=table, hint=f"Run the stage that writes it: {table.partition('/')[0]}.")
        return latest

    def watermark(self, table: str) -> str | None:
        """How far the source was read when the table was last written: the last version's `WATERMARK`."""
        return self.last_metadata(table, WATERMARK)

    def last_metadata(self, table: str, name: str) -> str | None:
        """What the last version that says anything under ``name`` says."""
        found = (entry.metadata.get(name) for entry in self.versions(table))
        return next((value for value in found if value is not None), None)

    def dataset(self, ref: TableRef) -> Dataset:
        """The rows of one version.

        Raises:
            VersionNotFoundError: the table exists, that version does not, or was pruned.
            TableNotFoundError: no such table.
        """
        latest = self.latest_or_raise(ref.table)
        if not 0 <= ref.version <= latest.version:
            raise VersionNotFoundError(table=ref.table, version=ref.version, known=f"0 to {latest.version}")
        opened = self._open(ref.table, ref.version)
        assert opened is not None
        added = pl.DataFrame(opened.get_add_actions(flatten=True)).sort("modification_time", "path")
        files = tuple(
            DataFile(path=row["path"], rows=row["num_records"], size=row["size_bytes"])
            for row in added.iter_rows(named=True)
        )
        # Versions share all of their files or none, so one file tells whether they were removed.
        if files and not self.staging(ref.table).exists(files[0].path):
            raise VersionNotFoundError(table=ref.table, version=f"{ref.version} any more", known="been pruned")
        return Dataset(f"{self.uri}/{ref.table}", ref.table, ref.version, files, storage_options=self._options)

    def newest(self, table: str) -> TableVersion | None:
        """The first of `versions`, without reading the log further back than it is."""
        opened = self._open(table)
        return None if opened is None else _table_version(table, _newest(opened))

    def versions(self, table: str) -> list[TableVersion]:
        """The table's log, newest first. Empty when there is no table."""
        opened = self._open(table)
        return [] if opened is None else [_table_version(table, entry) for entry in _history(opened)]

    def find(self, table: str, key: str) -> TableRef | None:
        """The version that the work with this key made."""
        version = _find(self._open(table), key)
        return None if version is None else TableRef(table=table, version=version)

    def as_of(self, table: str, moment: datetime) -> TableRef:
        """The newest version that existed at ``moment`` (aware)."""
        for entry in self.versions(table):
            if entry.created_at <= moment:
                return TableRef(table=table, version=entry.version)
        raise VersionNotFoundError(table=table, version=f"as of {moment.isoformat()}", known="only later ones")

    def at(self, table: str, version: int | str) -> TableRef:
        """The version with this number, or the newest one at this moment (ISO 8601; UTC where it has no zone).

        Raises:
            VersionNotFoundError: there was none then, or it is neither a number nor a moment.
        """
        text = str(version)
        if text.isdecimal():
            return TableRef(table=table, version=int(text))
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            known = "a number, or a moment such as 2026-11-21T09:30"
            raise VersionNotFoundError(table=table, version=text, known=known) from None
        return self.as_of(table, moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment)

    def exists(self, ref: TableRef) -> bool:
        """Whether the version can be read: it was made, and not pruned."""
        try:
            self.dataset(ref)
        except (TableNotFoundError, VersionNotFoundError):
            return False
        return True

    def prune(self, table: str, keep: Collection[int], *, keep_hours: int = 7 * 24, dry_run: bool = False) -> list[str]:
        """Remove the files that only versions outside of ``keep`` name, and those that dead writers left.

        Args:
            keep: versions whose files stay; the latest always does.
            keep_hours: younger files stay too: somebody may be about to commit them.

        Returns:
            The files that were removed, or would be.
        """
        opened = self._open(table)
        if opened is None:
            return []
        # A version before the last append is a part of a later one, so it stays readable when that is kept.
        wanted = sorted({*keep, _latest(opened)})
        return opened.vacuum(
            keep_hours, dry_run=dry_run, enforce_retention_duration=False, full=True, keep_versions=wanted
        )

    def vacuum(self, table: str, *, keep_hours: int = 7 * 24) -> list[str]:
        """Remove only what dead writers left: every version stays."""
        opened = self._open(table)
        return [] if opened is None else self.prune(table, range(opened.version() + 1), keep_hours=keep_hours)


def _history(opened: DeltaTable) -> list[dict[str, Any]]:
    """Entries that wrote rows, newest first. Removing old files makes entries of its own."""
    return [entry for entry in opened.history() if _wrote_rows(entry)]


def _newest(opened: DeltaTable) -> dict[str, Any]:
    """The first of `_history`."""
    number = 2
    while True:
        entries = opened.history(number)
        found = next(filter(_wrote_rows, entries), None)
        if found is not None or len(entries) < number:
            assert found is not None, "the first entry of a table wrote rows"
            return found
        number *= 4


def _wrote_rows(entry: Mapping[str, Any]) -> bool:
    return not str(entry.get("operation")).startswith("VACUUM")


def _latest(opened: DeltaTable) -> int:
    return _version(_newest(opened))


def _find(opened: DeltaTable | None, key: str) -> int | None:
    history = [] if opened is None else _history(opened)
    return next((_version(entry) for entry in history if entry.get(KEY) == key), None)


def _version(entry: Mapping[str, Any]) -> int:
    return int(entry.get(VERSION, entry["version"]))


def _check_same_columns(table: str, before: Schema, after: Schema) -> None:
    """Delta itself would take the files and fail every reader afterwards."""
    old = {field.name: str(field.type) for field in before.fields}
    new = {field.name: str(field.type) for field in after.fields}
    if old != new:
        changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
        detail = ", ".join(f"{name}: {old.get(name, 'absent')} -> {new.get(name, 'absent')}" for name in changed)
        raise TableSchemaChangedError(table=table, changes=detail)


def _add_action(file: DataFile, milliseconds: int) -> AddAction:
    return AddAction(file.path, file.size, {}, milliseconds, True, json.dumps({"numRecords": file.rows}))


def _table_version(table: str, entry: dict[str, Any]) -> TableVersion:
    metadata = {k: str(v) for k, v in entry.items() if k.startswith("sluice.")}
    return TableVersion(
        table=table,
        version=_version(entry),
        created_at=datetime.fromtimestamp(entry["timestamp"] / 1000, UTC),
        rows=int(metadata.get("sluice.rows", 0)),
        mode=metadata.get("sluice.mode", str(entry.get("operation", ""))),
        key=metadata.get(KEY, ""),
        metadata=metadata,
    )
