"""Refused rows: what they are, and how one that was corrected gets in after all.

``quarantine/<use case>`` holds each as it came (JSON), with its reason. A corrected row goes through the contract
again; when it is accepted, the refused one counts as replayed and is not shown any more.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from sluice.contracts import REASON, validate
from sluice.documents import DocumentStore
from sluice.errors import TableMovedError
from sluice.lake import Lake
from sluice.use_case import UseCase

ID = "_quarantine"
_TRIES = 10


@dataclass(frozen=True)
class Refused:
    """One refused row. ``id`` is of its content and reason, so the same row refused twice is one."""

    id: str
    reason: str
    row: dict[str, Any]
    at: datetime


@dataclass(frozen=True)
class Replayed:
    """What became of corrected rows.

    Attributes:
        accepted: rows that are in the raw table now.
        known: rows whose key it had already.
        refused: those that break the contract still, each with `ID`, its values and the reason.
    """

    accepted: int
    known: int
    refused: list[dict[str, Any]]


class Quarantine:
    """The refused rows of one use case."""

    def __init__(self, use_case: UseCase, lake: Lake, documents: DocumentStore) -> None:
        self._use_case, self._lake, self._documents = use_case, lake, documents
        self._table = f"quarantine/{use_case.name}"
        self._collection = f"{use_case.name}_replays"

    def rows(self, reason: str = "", replayed: bool = False) -> Iterator[Refused]:
        """Newest first, once each.

        Args:
            reason: a part of the reason; all, if empty.
            replayed: those that were replayed too.
        """
        latest = self._lake.latest(self._table)
        if latest is None:
            return
        done = set() if replayed else {found["id"] for found in self._documents.find(self._collection)}
        table = self._lake.dataset(latest).scan().filter(pl.col(REASON).str.contains(reason, literal=True))
        seen: set[str] = set()
        for found in table.sort("at", descending=True).collect().iter_rows(named=True):
            refused = Refused(_id(found), found[REASON], json.loads(found["row"]), found["at"])
            if refused.id not in done and refused.id not in seen:
                seen.add(refused.id)
                yield refused

    def replay(self, corrected: Iterable[Mapping[str, Any]], by: str) -> Replayed:
        """Append corrected rows to the raw table, those that the contract accepts.

        Args:
            corrected: values by column; `ID` names the refused row that one corrects.
            by: who does it, for the record.

        Raises:
            TableMovedError: others wrote the table ten times meanwhile.
        """
        given = [dict(row) for row in corrected]
        ids = [row.pop(ID, None) for row in given]
        if not given:
            return Replayed(0, 0, [])
        frame = pl.DataFrame(
            [{**row, ID: row_id} for row, row_id in zip(given, ids, strict=True)], infer_schema_length=None
        )
        verdict = validate(frame, self._use_case.schema, self._use_case.key)
        refused = [
            {REASON: found[REASON], **json.loads(found["row"])} for found in verdict.quarantined.iter_rows(named=True)
        ]
        bad = {row.get(ID) for row in refused}
        good = [row_id for row_id in ids if row_id not in bad and row_id is not None]
        added = self._append(verdict.accepted, key=_key(given))
        for row_id in good:
            self._documents.upsert(self._collection, {"id": row_id}, {"at": datetime.now(UTC), "by": by})
        return Replayed(added, verdict.accepted.height - added, refused)

    def _append(self, rows: pl.DataFrame, key: str) -> int:
        raw = self._lake.staging(f"raw/{self._use_case.name}")
        for attempt in range(_TRIES):
            latest = self._lake.latest(raw.table)
            new = rows if latest is None else self._lake.dataset(latest).unknown(rows, self._use_case.key)
            if new.is_empty():
                return 0
            staged = raw.dataset([raw.write(new)])
            try:
                onto = -1 if latest is None else latest.version
                self._lake.commit(staged, key=key, metadata={"sluice.replayed": str(new.height)}, onto=onto)
                return new.height
            except TableMovedError:
                if attempt == _TRIES - 1:
                    raise
        raise AssertionError("unreachable")


def _id(found: Mapping[str, Any]) -> str:
    return hashlib.sha256(f"{found[REASON]}\0{found['row']}".encode()).hexdigest()[:12]


def _key(rows: list[dict[str, Any]]) -> str:
    content = json.dumps(rows, sort_keys=True, default=str)
    return f"replay-{hashlib.sha256(content.encode()).hexdigest()[:24]}"
