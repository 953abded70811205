"""The logs of components in Loki, through its HTTP API (https://grafana.com/docs/loki/latest/reference/loki-http-api/).

Streams are labelled ``service_name`` and ``level``; a run's id is in the line itself.
"""

import base64
import binascii
import json
import re
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from sluice.component_logs import LogFilter, LogLine, LogPage
from sluice.errors import InputInvalidError, LogNotFoundError, ServiceRefusedError, ServiceUnavailableError
from sluice.log_cursor import Direction, cursor_invalid
from sluice.log_text import read_line
from sluice.settings import LogSettings, without_credentials

_SERVICE = "service_name"
# How far back is looked where nobody says since when.
_WINDOW = timedelta(days=7)
_NANOSECONDS = 1_000_000_000
_SECONDS = 20
# Loki gives no more at once.
_MOST = 5000
# Also what is written in lower case, or in another project's words.
_ALSO = {"WARNING": ("warn",), "CRITICAL": ("fatal",)}


class _Cursor(BaseModel):
    """``at``: nanoseconds of the last line that was given; ``seen``: checksums of those with this time."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    to: Direction
    at: int
    seen: list[int]

    def text(self) -> str:
        return base64.urlsafe_b64encode(self.model_dump_json().encode()).decode().rstrip("=")


class _Entry(BaseModel):
    at: int
    text: str
    labels: dict[str, str]

    @property
    def checksum(self) -> int:
        return zlib.crc32(f"{self.labels.get(_SERVICE)}\0{self.text}".encode("utf-8", "replace"))


class LokiLogs:
    """`sluice.component_logs.ComponentLogs` over one Loki. Threads may share it."""

    def __init__(self, settings: LogSettings, transport: httpx.BaseTransport | None = None) -> None:
        self._url = settings.loki_url.rstrip("/")
        self._labels = settings.loki_labels
        headers = {"X-Scope-OrgID": settings.loki_tenant} if settings.loki_tenant else {}
        user, colon, password = settings.loki_auth.get_secret_value().partition(":")
        if user and not colon:
            headers["Authorization"] = f"Bearer {user}"
        self._client = httpx.Client(
            auth=(user, password) if colon else None,
            headers=headers,
            timeout=_SECONDS,
            trust_env=False,
            transport=transport,
        )

    def services(self) -> list[str]:
        now = datetime.now(UTC)
        span = {"start": _nanoseconds(now - _WINDOW), "end": _nanoseconds(now)}
        query = {"query": _selector(self._labels)} if self._labels else {}
        found = self._get(f"/loki/api/v1/label/{_SERVICE}/values", {**span, **query})
        return sorted(str(name) for name in found.get("data") or [])

    def close(self) -> None:
        self._client.close()

    def lines(self, wanted: LogFilter, limit: int = 100, cursor: str = "") -> LogPage:
        at = _cursor(cursor) if cursor else None
        now = datetime.now(UTC)
        start = _nanoseconds(wanted.since or now - _WINDOW)
        end = _nanoseconds(wanted.until or now + timedelta(minutes=1))
        if at and at.to == "newer":
            start = max(start, at.at)
        elif at:
            end = min(end, at.at + 1)  # Loki's end is not within
        forward = bool(at and at.to == "newer")
        seen = set(at.seen) if at else set()
        asked = min(limit + len(seen), _MOST)
        entries = self._entries(wanted, start, end, asked, forward) if start < end else []
        fresh = [entry for entry in entries if not (at and entry.at == at.at and entry.checksum in seen)][:limit]
        if wanted.service and not fresh and at is None:
            known = self.services()
            if wanted.service not in known:
                raise LogNotFoundError(service=wanted.service, known=", ".join(known) or "none")
        lines = [_line(entry) for entry in fresh]
        if forward:
            return LogPage(lines[::-1], None, self._next("newer", fresh, at, start).text())
        older = self._next("older", fresh, at, start).text() if len(entries) >= asked and fresh else None
        newer = self._next("newer", fresh[::-1], None, min(end, _nanoseconds(now))).text() if at is None else None
        return LogPage(lines, older, newer)

    def _next(self, to: Direction, entries: list[_Entry], before: _Cursor | None, otherwise: int) -> _Cursor:
        """Behind the last of these entries; where there is none, where one was before."""
        if not entries:
            return _Cursor(to=to, at=before.at if before else otherwise, seen=before.seen if before else [])
        at = entries[-1].at
        seen = [entry.checksum for entry in entries if entry.at == at]
        if before and before.at == at:
            seen += before.seen
        return _Cursor(to=to, at=at, seen=seen)

    def _entries(self, wanted: LogFilter, start: int, end: int, limit: int, forward: bool) -> list[_Entry]:
        query = {
            "query": self._query(wanted),
            "start": start,
            "end": end,
            "limit": limit,
            "direction": "forward" if forward else "backward",
        }
        found = self._get("/loki/api/v1/query_range", query)
        try:
            entries = [
                _Entry(at=int(at), text=text, labels=stream["stream"])
                for stream in found["data"]["result"]
                for at, text, *_ in stream["values"]
            ]
        except (KeyError, TypeError, ValueError):
            hint = "It answered with something else than streams of lines: is it Loki?"
            raise self._unavailable(hint) from None
        # Each stream comes in order, one after the other.
        return sorted(entries, key=lambda entry: entry.at if forward else -entry.at)[:limit]

    def _query(self, wanted: LogFilter) -> str:
        labels = {**self._labels, **({_SERVICE: wanted.service} if wanted.service else {})}
        query = _selector(labels, _levels(wanted) if wanted.level else "")
        if wanted.run:
            query += f" |= {_quoted(wanted.run)}"
        if wanted.contains:
            query += f" |~ {_quoted('(?i)' + re.escape(wanted.contains))}"
        return query

    def _get(self, path: str, query: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = self._client.get(f"{self._url}{path}", params=query)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unavailable(f"({type(error).__name__}) Look at SLUICE_LOGS__LOKI_URL.") from None
        if answer.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            hint = "Put user:password or a token into SLUICE_LOGS__LOKI_AUTH."
            raise ServiceRefusedError(service="Loki", address=without_credentials(self._url), hint=hint)
        if answer.status_code == httpx.codes.BAD_REQUEST:  # such as a span of time that is longer than it allows
            raise InputInvalidError(field="since", problem=f"Loki refuses to look: {answer.text[:300].strip()}")
        try:
            content = answer.raise_for_status().json()
        except (httpx.HTTPStatusError, ValueError):
            raise self._unavailable(f"It said {answer.status_code}: {answer.text[:300]}") from None
        return content if isinstance(content, dict) else {}

    def _unavailable(self, hint: str) -> ServiceUnavailableError:
        return ServiceUnavailableError(service="Loki", address=without_credentials(self._url), hint=hint)


def _selector(labels: dict[str, str], levels: str = "") -> str:
    """LogQL wants at least one matcher that an empty value does not match."""
    matchers = [f"{name}={_quoted(value)}" for name, value in labels.items()]
    if _SERVICE not in labels:
        matchers.append(f'{_SERVICE}=~".+"')
    if levels:
        matchers.append(f"level=~{_quoted(levels)}")
    return "{" + ", ".join(matchers) + "}"


def _levels(wanted: LogFilter) -> str:
    names = [name.lower() for level in wanted.levels for name in (level, *_ALSO.get(level, ()))]
    return f"(?i)({'|'.join(names)})"


def _quoted(text: str) -> str:
    """As LogQL has a string, which is Go's: JSON's escapes, but no surrogates."""
    return json.dumps(text.encode("utf-8", "replace").decode(), ensure_ascii=False).replace("\x7f", "\\u007f")


def _line(entry: _Entry) -> LogLine:
    at = datetime.fromtimestamp(entry.at / _NANOSECONDS, UTC)
    line, timed = read_line(entry.text.encode("utf-8", "replace"), entry.labels.get(_SERVICE, ""), at)
    context = {name: value for name, value in entry.labels.items() if name not in {_SERVICE, "level"}}
    return line.model_copy(update={"at": line.at if timed else at, "context": {**context, **line.context}})


def _cursor(text: str) -> _Cursor:
    try:
        return _Cursor.model_validate_json(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValidationError, binascii.Error, ValueError):
        raise cursor_invalid() from None


def _nanoseconds(moment: datetime) -> int:
    return max(0, int(moment.timestamp()) * _NANOSECONDS + moment.microsecond * 1000)
