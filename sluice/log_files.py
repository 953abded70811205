"""The logs of a stack on this machine: a file a service, rotated by the supervisor, read from their ends."""

import heapq
import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, NamedTuple

from sluice.component_logs import LogFilter, LogLine, LogPage
from sluice.errors import LogNotFoundError
from sluice.log_cursor import LogCursor, Place
from sluice.log_lines import RawEntry, bounds, complete_end, entries_after, entries_before
from sluice.log_text import read_line

# A search for what is rare is given up after this long; the page's cursor goes on from there.
_SECONDS = 1.0
_MOST_UNTIMED = 200
# Lines of several processes in one file are not quite in order.
_DISORDER = timedelta(seconds=10)
_WORTH_SEEKING = 1 << 20
# What JSON never writes in another way: a line without it need not be parsed.
_AS_IT_IS = re.compile(r"[\w .:/=@-]+", re.ASCII)
# The level of one of our lines, by loguru's names.
_OURS = re.compile(rb'\{"ts": "[^"]*", "level": "(TRACE|DEBUG|INFO|SUCCESS|WARNING|ERROR|CRITICAL)"')


class _Found(NamedTuple):
    """A line, or None for one that is not wanted, and the place behind it in the direction of reading."""

    line: LogLine | None
    place: Place


class LogFiles:
    """`sluice.component_logs.ComponentLogs` over a folder with ``<service>.log``, ``<service>.log.1``, …"""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def services(self) -> list[str]:
        return sorted(path.name.removesuffix(".log") for path in self._regular() if path.name.endswith(".log"))

    def _regular(self) -> list[Path]:
        try:
            return [Path(entry) for entry in os.scandir(self._folder) if entry.is_file(follow_symlinks=False)]
        except OSError:
            return []  # nothing was ever started here

    def close(self) -> None:
        """Nothing is open between two calls."""

    def lines(self, wanted: LogFilter, limit: int = 100, cursor: str = "") -> LogPage:
        services = self.services()
        if wanted.service and wanted.service not in services:  # so that a name never becomes a path
            raise LogNotFoundError(service=wanted.service, known=", ".join(services) or "none")
        chosen = [wanted.service] if wanted.service else services
        at = LogCursor.of_text(cursor) if cursor else None
        with ExitStack() as opened:
            logs = {service: _Log(service, self._open(service, opened)) for service in chosen}
            if at and at.to == "newer":
                return self._forward(logs, wanted, limit, at.places)
            return self._backward(logs, wanted, limit, at.places if at else None)

    def _open(self, service: str, opened: ExitStack) -> list[BinaryIO]:
        """The service's files, the newest first."""
        rotated = re.compile(re.escape(service) + r"\.log(?:\.(\d{1,4}))?")
        named = [(int(found[1] or 0), path) for path in self._regular() if (found := rotated.fullmatch(path.name))]
        files: list[BinaryIO] = []
        for _, path in sorted(named):
            try:
                files.append(opened.enter_context(path.open("rb")))
            except FileNotFoundError:
                continue  # rotated away meanwhile
        return files

    def _backward(
        self, logs: dict[str, "_Log"], wanted: LogFilter, limit: int, places: dict[str, Place] | None
    ) -> LogPage:
        ends = {service: place for service, log in logs.items() if (place := log.end())}
        readers = [
            _Reader(service, log.before(place, wanted), place)
            for service, log in logs.items()
            if (place := (ends if places is None else places).get(service)) is not None
        ]
        lines, complete = _merged(readers, limit, newest=True)
        older = None if complete else LogCursor(to="older", places=_places(readers)).text()
        newer = LogCursor(to="newer", places=ends).text() if places is None else None
        return LogPage(lines, older, newer)

    def _forward(self, logs: dict[str, "_Log"], wanted: LogFilter, limit: int, places: dict[str, Place]) -> LogPage:
        readers = []
        for service, log in logs.items():
            place = places.get(service) or log.begin()
            if place is not None:
                readers.append(_Reader(service, log.after(place, wanted), place))
        lines, _ = _merged(readers, limit, newest=False)
        now = LogCursor(to="newer", places={**places, **_places(readers)}).text()
        return LogPage(lines[::-1], None, now)


class _Log:
    """One service's files, the newest first."""

    def __init__(self, service: str, files: list[BinaryIO]) -> None:
        self._service, self._files = service, files

    def end(self) -> Place | None:
        return Place.of(self._files[0], complete_end(self._files[0])) if self._files else None

    def begin(self) -> Place | None:
        return Place.of(self._files[-1], 0) if self._files else None

    def before(self, place: Place, wanted: LogFilter) -> Iterator[_Found]:
        """What was logged before a place, the newest first; nothing where its file was rotated away."""
        number = self._number(place)
        if number is None:
            return
        about, prefilter = datetime.now(UTC), _Prefilter(wanted)
        for older, file in enumerate(self._files[number:]):
            written = _modified(file)
            about = min(about, written)
            start, end = 0, file.seek(0, 2)
            large = end > _WORTH_SEEKING
            if wanted.since:
                if written < wanted.since:
                    return
                start = bounds(file, wanted.since - _DISORDER, about)[0] if large else 0
            if wanted.until and large:
                end = min(end, bounds(file, wanted.until + _DISORDER, about)[1])
            if older == 0:
                end = min(max(place.offset, 0), end)
            for line, behind in self._read_back(file, end, about, prefilter):
                if line is not None:
                    about = min(about, line.at)
                if wanted.since and (behind.offset < start or (line and line.at < wanted.since - _DISORDER)):
                    return
                yield _Found(line if line and wanted.takes(line) else None, behind)

    def _read_back(self, file: BinaryIO, end: int, about: datetime, prefilter: "_Prefilter") -> Iterator[_Found]:
        """A line without a time waits for the one before it that has one."""
        here = Place.of(file, 0)
        waiting: list[tuple[LogLine, Place]] = []
        for entry in entries_before(file, end):
            place = here.at(entry.start)
            if not waiting and not prefilter.takes(entry):
                yield _Found(None, place)
                continue
            if not entry.text.strip():
                continue
            line, timed = read_line(entry.text, self._service, about)
            if not timed and len(waiting) < _MOST_UNTIMED:
                waiting.append((line, place))
                continue
            about = min(about, line.at)
            for untimed, behind in waiting:
                yield _Found(untimed.model_copy(update={"at": line.at}), behind)
            waiting.clear()
            yield _Found(line, place)
        yield from (_Found(line, behind) for line, behind in waiting)

    def after(self, place: Place, wanted: LogFilter) -> Iterator[_Found]:
        """What was logged after a place, the oldest first: in its file, and in those that came after it."""
        number = self._number(place)
        files = self._files[::-1] if number is None else self._files[: number + 1][::-1]
        latest = now = datetime.now(UTC)
        prefilter = _Prefilter(wanted)
        for later, file in enumerate(files):
            start = place.offset if number is not None and later == 0 else 0
            if not 0 <= start <= file.seek(0, 2):
                start = 0  # it was emptied
            here = Place.of(file, 0)
            for entry in entries_after(file, start):
                behind = here.at(entry.end)
                if not entry.text.strip() or not prefilter.takes(entry):
                    yield _Found(None, behind)
                    continue
                line, timed = read_line(entry.text, self._service, now)
                latest = line.at if timed else latest
                line = line if timed else line.model_copy(update={"at": latest})
                yield _Found(line if wanted.takes(line) else None, behind)

    def _number(self, place: Place) -> int | None:
        return next((number for number, file in enumerate(self._files) if place.within(file)), None)


class _Prefilter:
    """Whether a line may be wanted, told from its bytes: most of a long log need not be parsed."""

    def __init__(self, wanted: LogFilter) -> None:
        self._parts = [part.lower().encode() for part in (wanted.contains, wanted.run) if _AS_IT_IS.fullmatch(part)]
        self._levels = {level.encode() for level in wanted.levels} if wanted.level else None

    def takes(self, entry: RawEntry) -> bool:
        if self._levels and (ours := _OURS.match(entry.text)) and ours[1] not in self._levels:
            return False
        if not self._parts:
            return True
        text = entry.text.lower()
        return all(part in text for part in self._parts)


class _Reader:
    """One service's lines as they are asked for. ``place``: all up to it was given, or is not wanted."""

    def __init__(self, service: str, found: Iterator[_Found], place: Place) -> None:
        self.service, self.place = service, place
        self.line: LogLine | None = None
        self._found = found
        self._behind = place

    def advance(self, deadline: float) -> bool:
        """Go to the next line that is wanted: ``line``, or None at the end. False: there was no time for it."""
        self.line, self.place = None, self._behind
        for line, behind in self._found:
            self._behind = behind
            if line is not None:
                self.line = line
                return True
            self.place = behind
            if time.monotonic() > deadline:
                return False
        return True


def _merged(readers: list[_Reader], limit: int, *, newest: bool) -> tuple[list[LogLine], bool]:
    """The next lines of all, by their time, and whether that was the last of them."""
    deadline = time.monotonic() + _SECONDS
    lines: list[LogLine] = []
    heap: list[tuple[float, int]] = []
    for number, reader in enumerate(readers):
        if not reader.advance(deadline):
            return lines, False
        _push(heap, readers, number, newest)
    while heap and len(lines) < limit:
        _, number = heapq.heappop(heap)
        reader = readers[number]
        assert reader.line is not None
        lines.append(reader.line)
        if not reader.advance(deadline):
            return lines, False
        _push(heap, readers, number, newest)
    return lines, not heap


def _push(heap: list[tuple[float, int]], readers: list[_Reader], number: int, newest: bool) -> None:
    line = readers[number].line
    if line is not None:
        heapq.heappush(heap, (-line.at.timestamp() if newest else line.at.timestamp(), number))


def _places(readers: list[_Reader]) -> dict[str, Place]:
    return {reader.service: reader.place for reader in readers}


def _modified(file: BinaryIO) -> datetime:
    return datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
