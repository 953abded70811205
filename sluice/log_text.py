"""What a line of a log file says: one of ours is JSON, others write their own forms of time, level and text."""

import json
import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sluice.component_logs import LEVELS, LONGEST, LogLine

_LEVELS = {
    **{name: name for name in LEVELS},
    "WARN": "WARNING",
    "FATAL": "CRITICAL",
    "TRAC": "TRACE",
    "BLAT": "TRACE",
    "DEBG": "DEBUG",
    "ERRO": "ERROR",
    "CRIT": "CRITICAL",  # supervisord's
}
_LEVEL = "|".join(sorted(_LEVELS, key=len, reverse=True))
_OWN = ("ts", "level", "logger", "msg", "service")
# 2026-11-21 05:18:13,381 of Dask and supervisord, 2026/11/21 05:18:13 of MLflow, 05:18:13.381 of Prefect elsewhere.
_TIME = re.compile(
    r"(?:(?P<date>\d{4}[-/]\d\d[-/]\d\d)[ T])?(?P<time>\d\d:\d\d:\d\d)(?:[.,](?P<fraction>\d{1,6}))?"
    r"(?P<zone>Z|[+-]\d\d:?\d\d)?(?=[\s|-]|$)"
)
_HEADS = (
    # distributed.worker - INFO - text
    re.compile(rf"\s*-\s(?P<logger>[\w.-]+) - (?P<level>{_LEVEL}) - (?P<text>.*)", re.DOTALL),
    # | INFO    | prefect.flow_runs.worker - text, | INFO    | Flow run 'ingest-movies' - text
    re.compile(rf"\s*\|\s(?P<level>{_LEVEL})\s*\|\s(?P<logger>.*?) - (?P<text>.*)", re.DOTALL),
    # INFO mlflow.store.db.utils: text, INFO:     text
    re.compile(rf"\s*(?P<level>{_LEVEL})(?::|\b)\s*(?:(?P<logger>\w+(?:\.\w+)+): )?(?P<text>.*)", re.DOTALL),
)
# Where no time comes before it, more than the word is asked for: INFO:     text, [ERROR] text
_UNTIMED = re.compile(rf"\[?(?P<level>{_LEVEL})(?:\]:?|:)\s+(?P<logger>)(?P<text>.*)", re.DOTALL)
# A file and a line number, then the warning's class: what Python's warnings print.
_WARNING = re.compile(r"\S+:\d+: \w*Warning: ")
_TRACEBACK = "Traceback (most recent call last)"
# The beginning of one of our lines, which was cut before its end.
_CUT = re.compile(r'\{"ts": "(?P<ts>[^"]+)", "level": "(?P<level>\w+)", "logger": "(?P<logger>[^"]*)", "msg": "')
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# A terminal would obey them, and UTF-8 has no lone surrogates.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_ENDS_TRACEBACK = re.compile(rb"[A-Za-z_][\w.]*(?::(?: |$)|$)")
_PLAIN_LEVEL = re.compile(rf"(?:{_LEVEL})\b".encode())
_BETWEEN = (b"Traceback (most recent", b"During handling of the above", b"The above exception was")


class ReadLine(NamedTuple):
    """``timed``: whether the time is the line's own."""

    line: LogLine
    timed: bool


def continues(text: bytes, before: bytes) -> bool:
    """Whether a line belongs to the one before it: blank, indented, or of a traceback."""
    if not text.strip() or text[:1] in b" \t" or text.startswith(_BETWEEN):
        return True
    # The last line of a traceback says the exception; the one before it shows code.
    ends = before[:1] in (b" ", b"\t") and _ENDS_TRACEBACK.match(text)
    return bool(ends) and not _PLAIN_LEVEL.match(text)


def read_line(raw: bytes, service: str, about: datetime) -> ReadLine:
    """A line with those that continue it, as it was logged.

    Args:
        about: aware; the time of a line that says none, and the latest day of one that says no date.
    """
    text = raw.decode("utf-8", "replace").rstrip()
    if text.startswith("{"):
        read = _json(text, service) or _cut_json(text, service)
        if read is not None:
            return read
    return _plain(cleaned(text), service, about)


def cleaned(text: str) -> str:
    """For a page or a terminal: without colours and control characters, and not longer than it may be."""
    text = _CONTROL.sub("�", _COLOURS.sub("", text.replace("\r\n", "\n")).replace("\r", "\n"))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text) - LONGEST} more characters)"


def _json(text: str, service: str) -> ReadLine | None:
    head, _, below = text.partition("\n")
    try:
        found = json.loads(head, parse_float=_finite, parse_constant=str)
        if not isinstance(found, dict) or not isinstance(found.get("msg"), str):
            return None
        at = _aware(datetime.fromisoformat(found["ts"]))
        context = {key: _cleaned(value) for key, value in found.items() if key not in _OWN and value is not None}
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    message = cleaned(f"{found['msg']}\n{below}" if below else found["msg"])
    logger = cleaned(str(found.get("logger") or ""))
    level = _LEVELS.get(str(found.get("level")).upper(), "INFO")
    return ReadLine(LogLine(at=at, level=level, service=service, message=message, logger=logger, context=context), True)


def _cut_json(text: str, service: str) -> ReadLine | None:
    found = _CUT.match(text)
    try:
        at = _aware(datetime.fromisoformat(found["ts"])) if found else None
    except (ValueError, OverflowError):
        return None
    if found is None or at is None:
        return None
    message = f"{cleaned(text[found.end() :])}… (the line is longer than is read)"
    level = _LEVELS.get(found["level"], "INFO")
    return ReadLine(LogLine(at=at, level=level, service=service, message=message, logger=found["logger"]), True)


def _plain(text: str, service: str, about: datetime) -> ReadLine:
    time = _TIME.match(text)
    at = _moment(time, about) if time else None
    rest = text[time.end() :] if time and at else text
    level, logger, message = "", "", rest.strip("\n ")
    for head in _HEADS if at else (_UNTIMED,):
        if found := head.match(rest):
            level, logger, message = _LEVELS[found["level"]], found["logger"] or "", found["text"]
            break
    if not level:
        level = "ERROR" if _TRACEBACK in text else "WARNING" if _WARNING.match(text) else "INFO"
    return ReadLine(LogLine(at=at or about, level=level, service=service, message=message, logger=logger), bool(at))


def _moment(found: re.Match[str], about: datetime) -> datetime | None:
    """Of a line's head. Without a zone it is this machine's; without a date the last such time before ``about``."""
    day = found["date"] or about.astimezone().date().isoformat()
    text = f"{day.replace('/', '-')}T{found['time']}.{(found['fraction'] or '0').ljust(6, '0')}{found['zone'] or ''}"
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    late = found["date"] is None and moment > about + timedelta(minutes=1)
    return moment - timedelta(days=1) if late else moment


def _aware(moment: datetime) -> datetime:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _finite(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _cleaned(value: Any) -> Any:
    match value:
        case str():
            return cleaned(value)
        case dict():
            return {cleaned(key): _cleaned(item) for key, item in value.items()}
        case list():
            return [_cleaned(item) for item in value]
        case _:
            return value
