"""The JSON log line: one flat object a line, the same keys on every line."""

import json
import traceback
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from observability.redaction import Redactor

if TYPE_CHECKING:
    from loguru import Record, RecordException


@dataclass(frozen=True)
class JsonLine:
    """Renders loguru records. ``service``, ``version`` and ``env`` are the process's own."""

    service: str
    version: str
    env: str
    redactor: Redactor

    def render(self, record: "Record") -> str:
        """One line without its line break.

        Keys: ts, level, logger, msg, service, version, env, trace_id, span_id, flow_run_id,
        deployment, error {type, message, stack}; null where there is nothing to say. Whatever was
        bound to the record (``logger.bind(model=…)``) follows under its own name.
        """
        extra = dict(record["extra"])
        trace_id, span_id = _current_span()
        line: dict[str, Any] = {
            "ts": record["time"].astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record["level"].name,
            "logger": record["name"],
            "msg": self.redactor.text(record["message"]),
            "service": self.service,
            "version": self.version,
            "env": self.env,
            "trace_id": extra.pop("trace_id", trace_id),
            "span_id": extra.pop("span_id", span_id),
            "flow_run_id": extra.pop("flow_run_id", None),
            "deployment": extra.pop("deployment", None),
            "error": self._error(record["exception"]),
        }
        for key, value in extra.items():
            # A bound value never takes the place of one of the line's own.
            line.setdefault(key, self.redactor.value(value))
        return json.dumps(line, default=str)

    def _error(self, raised: "RecordException | None") -> dict[str, str] | None:
        if raised is None or raised.type is None or raised.value is None:
            return None
        stack = traceback.format_exception(raised.type, raised.value, raised.traceback)
        return {
            "type": raised.type.__qualname__,
            "message": self.redactor.text(str(raised.value)),
            "stack": self.redactor.text("".join(stack)),
        }


def _current_span() -> tuple[str | None, str | None]:
    """The ids of the span this line was logged in, as 32 and 16 hexadecimal digits."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None, None
    return trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id)
