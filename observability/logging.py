"""One sink for every log line of a process: loguru's own records and the standard library's."""

import logging
import sys
from contextlib import suppress
from io import StringIO
from typing import TYPE_CHECKING

from loguru import logger

from observability.log_line import INTERCEPTED, LEVELS, JsonLine, encoded
from observability.loki_push import Push, pusher
from observability.redaction import Redactor
from observability.tracing import sluice_version
from sluice.settings import Settings

if TYPE_CHECKING:
    from loguru import Message, Record

# Libraries that log each request; and urllib3 each retry, whose outcome whoever asked logs once.
QUIET = {
    "alembic": logging.WARNING,
    "botocore": logging.WARNING,
    "httpcore": logging.WARNING,
    "httpx": logging.WARNING,
    # A collector that is away: `observability.span_export` says it once.
    "opentelemetry.exporter": logging.CRITICAL,
    "urllib3": logging.ERROR,
}
# On a standard-library record that a sink of loguru has made of loguru's own line.
FORWARDED = "from_loguru"
# What Prefect puts on the records of a run, and what `logger.contextualize` uses in our own code.
CONTEXT = ("flow_run_id", "task_run_id", "deployment")
LOGURU_DEFAULT_SINK = 0

# The sink of the last call, to be replaced by the next.
_sinks: list[int] = [LOGURU_DEFAULT_SINK]


def configure_logging(settings: Settings, *, service: str) -> None:
    """Send every log line of this process to standard error: JSON, or text on a terminal.

    Call it again whenever a library has configured its own logging since; it leaves one sink and
    one interception however often it is called. Handlers that write elsewhere than to the console
    stay, so Prefect's run logs still reach its API. Where the settings say so, the lines go to Loki
    as well, in batches from a thread.
    """
    redactor = Redactor(settings)
    line = JsonLine(service=service, version=sluice_version(), env=settings.env, redactor=redactor)
    _replace_sink(settings, line, pusher(settings, service))
    _intercept_standard_logging(settings.log_level)


def _replace_sink(settings: Settings, line: JsonLine, push: Push | None) -> None:
    while _sinks:
        with suppress(ValueError):  # it may be gone: a test's, or another library's doing
            logger.remove(_sinks.pop())
    # Values of local variables may be secrets or personal data, so only a developer sees them.
    diagnose = settings.env == "development"
    as_json = _wants_json(settings)

    def write_json(message: "Message") -> None:
        fields = line.fields(message.record)
        text = encoded(fields)
        if as_json:
            _write(text + "\n")
        if push is not None:
            push(message.record["time"].timestamp(), fields, text)

    def write_text(message: "Message") -> None:
        _write(line.redactor.text(message))

    if as_json or push is not None:
        _sinks.append(
            logger.add(write_json, level=settings.log_level, format=_nothing, diagnose=diagnose, backtrace=False)
        )
    if not as_json:
        _sinks.append(
            logger.add(
                write_text,
                level=settings.log_level,
                format=_text,
                colorize=sys.stderr.isatty(),
                diagnose=diagnose,
                backtrace=False,
            )
        )


def _write(text: str) -> None:
    # Looked up at each line: a stream kept from start-up may be closed by whoever replaced it.
    sys.stderr.write(text)
    sys.stderr.flush()


def _wants_json(settings: Settings) -> bool:
    if settings.log_format == "auto":
        return not sys.stderr.isatty()
    return settings.log_format == "json"


def _nothing(record: "Record") -> str:
    return ""


def _text(record: "Record") -> str:
    shown = (key for key in record["extra"] if key.isidentifier() and key != INTERCEPTED)
    extra = " ".join(f"{key}={{extra[{key}]}}" for key in shown)
    return (
        "<dim>{time:HH:mm:ss.SSS}</dim> <level>{level: <8}</level> <cyan>{name}</cyan> "
        f"<level>{{message}}</level> <dim>{extra}</dim>\n{{exception}}"
    )


def _plain(value: object) -> str | None:
    """Prefect puts ids on its records in either form."""
    return None if value is None else str(value)


class InterceptHandler(logging.Handler):
    """Passes a standard-library record on to loguru under its own logger's name."""

    def emit(self, record: logging.LogRecord) -> None:
        if hasattr(record, FORWARDED):  # loguru has it already
            return
        try:
            self._pass_on(record)
        except Exception:
            self.handleError(record)

    def _pass_on(self, record: logging.LogRecord) -> None:
        def origin(line: "Record") -> None:
            line["name"], line["function"], line["line"] = record.name, record.funcName, record.lineno

        context = {key: _plain(getattr(record, key)) for key in CONTEXT if hasattr(record, key)}
        level = record.levelname if record.levelname in LEVELS else record.levelno
        exception = record.exc_info if record.exc_info and record.exc_info[1] else None
        # No arguments are given, so braces within the message are left alone.
        logger.patch(origin).bind(**context, **{INTERCEPTED: True}).opt(exception=exception).log(
            level, record.getMessage()
        )


def _intercept_standard_logging(level: str) -> None:
    root = logging.getLogger()
    named = [logging.getLogger(name) for name in list(root.manager.loggerDict)]
    for each in (root, *named):
        silenced = [handler for handler in each.handlers if _writes_to_console(handler)]
        for handler in silenced:
            each.removeHandler(handler)
        if silenced:
            each.propagate = True
    if not any(isinstance(handler, InterceptHandler) for handler in root.handlers):
        root.addHandler(InterceptHandler())
    root.setLevel(logging.DEBUG if level == "TRACE" else level)
    for name, quiet in QUIET.items():
        logging.getLogger(name).setLevel(max(quiet, root.level))
    logging.captureWarnings(True)


def _writes_to_console(handler: logging.Handler) -> bool:
    if isinstance(handler, logging.FileHandler) or not isinstance(handler, logging.StreamHandler):
        return False
    # A StringIO is somebody's capture (pytest's caplog), not a console.
    return not isinstance(handler.stream, StringIO)
