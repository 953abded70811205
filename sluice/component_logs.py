"""The log of any component: a port, with adapters for local files (`sluice.log_files`) and Loki (`sluice.loki_logs`).

A page holds the newest lines first, as every list of the service does. ``older`` leads on to what was before it,
``newer`` to what has come since, so that whoever follows a log misses no line and sees none twice.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from sluice.errors import InputInvalidError
from sluice.settings import Settings

# loguru's, with its numbers.
LEVELS = {"TRACE": 5, "DEBUG": 10, "INFO": 20, "SUCCESS": 25, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
# Of a message, in characters; what is longer is cut, with a word about it.
LONGEST = 64 << 10
MOST_LINES = 1000


class LogLine(BaseModel):
    """One line, with the lines of a traceback below it.

    Attributes:
        at: when it was logged; where a plain line says no time, that of the line before it.
        service: the component: ``serving``, ``mlflow``, ``prefect-worker``, …
        context: whatever else the line says, such as ``flow_run_id``, ``model`` or ``error`` {type, message, stack}.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime
    level: str
    service: str
    message: str
    logger: str = ""
    context: dict[str, Any] = {}

    def flat(self) -> dict[str, Any]:
        """As JSON has it: the context beside the line's own keys, which win."""
        own = {
            "at": self.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": self.level,
            "service": self.service,
            "message": self.message,
            "logger": self.logger,
        }
        return {**own, **{key: value for key, value in self.context.items() if key not in own}}

    @property
    def stack(self) -> str:
        """The traceback, where the line has one beside its message."""
        error = self.context.get("error")
        stack = error.get("stack") if isinstance(error, dict) else None
        return stack if isinstance(stack, str) else ""


@dataclass(frozen=True)
class LogFilter:
    """Which lines are wanted; what is empty asks for nothing.

    Attributes:
        level: the least.
        since, until: aware; the first is within, the second not.
        contains: a part of the message or of the traceback, in any case.
        run: lines that belong to this run of a flow, or name it.

    Raises:
        InputInvalidError: there is no such level.
    """

    service: str = ""
    level: str = ""
    since: datetime | None = None
    until: datetime | None = None
    contains: str = ""
    run: str = ""

    def __post_init__(self) -> None:
        if self.level and self.level.upper() not in LEVELS:
            problem = f"there is no level {self.level!r}; there are {', '.join(LEVELS)}"
            raise InputInvalidError(field="level", problem=problem)

    @property
    def levels(self) -> list[str]:
        """The names of the levels that are wanted."""
        least = LEVELS[self.level.upper()] if self.level else 0
        return [name for name, number in LEVELS.items() if number >= least]

    def takes(self, line: LogLine) -> bool:
        """Whether a line is wanted. Of ``service`` nothing is looked at."""
        if self.level and LEVELS[line.level] < LEVELS[self.level.upper()]:
            return False
        if (self.since and line.at < self.since) or (self.until and line.at >= self.until):
            return False
        if self.run and line.context.get("flow_run_id") != self.run and self.run not in line.message:
            return False
        if not self.contains:
            return True
        return any(self.contains.lower() in text.lower() for text in (line.message, line.stack))


class LogPage(NamedTuple):
    """``lines``: the newest first; there may be fewer than asked for, and none, while ``older`` leads on.

    ``newer`` is None on a page that ``older`` led to: whoever follows has that of the first page.
    """

    lines: list[LogLine]
    older: str | None
    newer: str | None


class ComponentLogs(Protocol):
    def services(self) -> list[str]:
        """Whose logs there are, sorted."""
        ...

    def lines(self, wanted: LogFilter, limit: int = 100, cursor: str = "") -> LogPage:
        """A page of at most ``limit`` lines: the newest, or those that ``cursor`` (a page's older or newer) leads to.

        Raises:
            LogNotFoundError: no log is the service's.
            InputInvalidError: the cursor is none of this log's.
            ServiceUnavailableError, ServiceRefusedError: of Loki.
        """
        ...

    def close(self) -> None: ...


def open_component_logs(settings: Settings) -> ComponentLogs:
    """Loki's, where the settings name one; else the files of the stack in the home."""
    if settings.logs.loki_url:
        from sluice.loki_logs import LokiLogs

        return LokiLogs(settings.logs)
    from sluice.log_files import LogFiles

    return LogFiles(settings.home / "logs")
