"""The JSON log line: one flat object a line, the same keys on every line."""

import json
import traceback
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from observability.redaction import Redactor
from observability.run_context import recall

if TYPE_CHECKING:
    from loguru import Record, RecordException

LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})
# What `observability.logging` puts on a record that came through the standard library; no part of the line.
INTERCEPTED = "intercepted"


@dataclass(frozen=True)
class JsonLine:
    """Renders loguru records. ``service``, ``version`` and ``env`` are the process's own."""

    service: str
    version: str
    env: str
    redactor: Redactor

    def fields(self, record: "Record") -> dict[str, Any]:
        """The line's keys in their order, without secrets.

        Keys: ts, level, logger, msg, service, version, env, trace_id, span_id, flow_run_id,
        deployment, error {type, message, stack}; null where there is nothing to say. Whatever was
        bound to the record (``logger.bind(model=…)``) follows under its own name.
        """
        extra = dict(record["extra"])
        extra.pop(INTERCEPTED, None)
        trace_id, span_id = _current_span()
        flow_run_id = extra.pop("flow_run_id", None)
        run = recall(flow_run_id)
        line: dict[str, Any] = {
            "ts": record["time"].astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record["level"].name,
            "logger": record["name"],
            "msg": self.redactor.text(record["message"]),
            "service": self.service,
            "version": self.version,
            "env": self.env,
            "trace_id": extra.pop("trace_id", trace_id or run.trace_id),
            "span_id": extra.pop("span_id", span_id),
            "flow_run_id": flow_run_id,
            "deployment": extra.pop("deployment", None) or run.deployment,
            "error": self._error(record["exception"]),
        }
        for key, value in extra.items():
            # A bound value never takes the place of one of the line's own.
            line.setdefault(key, self.redactor.value(value))
        return line

    def _error(self, raised: "RecordException | None") -> dict[str, str] | None:
        if raised is None or raised.type is None or raised.value is None:
            return None
        stack = traceback.format_exception(raised.type, raised.value, raised.traceback)
        return {
            "type": raised.type.__qualname__,
            "message": self.redactor.text(str(raised.value)),
            "stack": self.redactor.text("".join(stack)),
        }


def encoded(fields: dict[str, Any]) -> str:
    """One line without its line break."""
    return json.dumps(fields, default=str)


def _current_span() -> tuple[str | None, str | None]:
    """The ids of the span this line was logged in, as 32 and 16 hexadecimal digits."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None, None
    return trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id)
