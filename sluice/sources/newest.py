"""Asking an API only for what is newer than the last reading."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from sluice.sources.options import Options

Record = dict[str, Any]


class SinceOptions(Options):
    param: str = Field(description="the parameter that carries the watermark, such as updated_after")
    field: str = Field(description="the field of a record that it is compared with, such as updated_at")
    start: str | int | float | None = Field(None, description="for the first reading")


class Newest:
    """The newest value of a field, and the records that had it: an API may give those again, or more of them."""

    def __init__(self, options: SinceOptions, state: dict[str, Any] | None) -> None:
        self._options = options
        state = state or {}
        self._mark: Any = state.get("mark", options.start)
        self._known = frozenset(state.get("at_mark", ()))
        self._newest: Any = state.get("mark")
        self._at_newest: set[str] = set(self._known)

    @property
    def params(self) -> dict[str, Any]:
        return {} if self._mark is None else {self._options.param: self._mark}

    @property
    def state(self) -> dict[str, Any]:
        return {"mark": self._newest, "at_mark": sorted(self._at_newest)}

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.state, sort_keys=True).encode()).hexdigest()[:16]

    def unseen(self, records: Sequence[Record]) -> list[Record]:
        return [record for record in records if _digest(record) not in self._known]

    def take(self, records: Sequence[Record]) -> list[Record]:
        """Those that are new, noting the newest."""
        new = self.unseen(records)
        for record in new:
            value = record.get(self._options.field)
            if not isinstance(value, str | int | float):
                continue
            if self._newest is None or _order(value) > _order(self._newest):
                self._newest, self._at_newest = value, {_digest(record)}
            elif value == self._newest:
                self._at_newest.add(_digest(record))
        return new


def _order(value: Any) -> tuple[bool, Any]:
    """Numbers by size, text (times as ISO 8601 writes them) by its characters."""
    return isinstance(value, str), value


def _digest(record: Record) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:16]
