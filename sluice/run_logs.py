"""The lines of a run's log, and of the runs that it started, in the order of their times."""

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from sluice.component_logs import LEVELS
from sluice.errors import InputInvalidError
from sluice.paging import Cursor, Position, first, rows
from sluice.runs import PrefectRuns

MOST_LINES = 1000
_ORDER = "TIMESTAMP_ASC"


class LogLine(BaseModel):
    """``run`` is the run that said it, maybe a stage; ``task`` is the id of its task run."""

    model_config = ConfigDict(frozen=True)

    id: str
    at: datetime
    level: str
    message: str
    logger: str
    run: str | None
    task: str | None

    @property
    def position(self) -> Position:
        return Position(self.at, self.id)

    @classmethod
    def of(cls, log: dict[str, Any]) -> "LogLine":
        return cls(
            id=log["id"],
            at=log["timestamp"],
            level=level_name(log["level"]),
            message=log["message"],
            logger=log["name"],
            run=log["flow_run_id"],
            task=log["task_run_id"],
        )


class RunLogs:
    """Of one Prefect server."""

    def __init__(self, prefect: PrefectRuns) -> None:
        self._prefect = prefect

    def page(
        self, run_ids: Iterable[str], level: int = 0, after: Position | None = None, limit: int = 200
    ) -> tuple[list[LogLine], str | None]:
        """At most ``limit`` lines at or above a level, up to `MOST_LINES`, oldest first, and the next page's cursor.

        Raises:
            ServiceUnavailableError: Prefect does not answer.
        """
        limit = max(1, min(limit, MOST_LINES))
        query = self._query(run_ids, level, after and after.at)
        found = map(LogLine.of, rows(self._prefect, "/logs/filter", query, limit + 2))
        lines, more = first(found, lambda line: line.position, after, limit, newest=False)
        return lines, str(Cursor(lines[-1].position)) if more else None

    def since(self, run_ids: Iterable[str], level: int, at: datetime | None, most: int) -> list[LogLine]:
        """Lines from this time on, oldest first; ``most`` of them, however many there are.

        Raises:
            ServiceUnavailableError: Prefect does not answer.
        """
        lines: list[LogLine] = []
        for log in rows(self._prefect, "/logs/filter", self._query(run_ids, level, at), most):
            lines.append(LogLine.of(log))
            if len(lines) == most:
                break
        return lines

    def _query(self, run_ids: Iterable[str], level: int, at: datetime | None) -> dict[str, Any]:
        logs: dict[str, Any] = {"flow_run_id": {"any_": list(run_ids)}}
        if level:
            logs["level"] = {"ge_": level}
        if at is not None:
            logs["timestamp"] = {"after_": at.isoformat()}
        return {"logs": logs, "sort": _ORDER}


def level_of(text: str) -> int:
    """A level's number, by its name or as a number; 0 for an empty text.

    Raises:
        InputInvalidError: there is no such level.
    """
    if not text:
        return 0
    if text.isascii() and text.isdigit() and len(text) <= 2:
        return int(text)
    try:
        return LEVELS[text.upper()]
    except KeyError:
        raise InputInvalidError(field="level", problem=f"is none of {', '.join(LEVELS)}.") from None


def level_name(number: int) -> str:
    """The name of the highest known level that is not above it."""
    below = [name for name, known in LEVELS.items() if known <= number]
    return below[-1] if below else logging.getLevelName(number)
