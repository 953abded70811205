"""Lines that wait on the local disk for the document store.

``<root>/<process>/<time>.jsonl``: each process writes into a folder of its own and holds a lock on it while it lives.
What a process left that was killed, the next one that looks takes over.
"""

import fcntl
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from loguru import logger

from sluice.errors import SpoolFullError

SEGMENT_BYTES = 4 << 20
_LOCK = "lock"
_SUFFIX = ".jsonl"
_COUNTED_BYTES = 1 << 20


@dataclass
class Segment:
    """A file of whole lines; the last line may be cut where a process was killed."""

    path: Path
    bytes: int = 0
    lines: int = 0


class Spool:
    """One process' part of the folder ``root``, bounded in bytes. Every method may be called from any thread.

    When it is full, the newest lines are refused: what was once taken is kept until the store has it.
    """

    def __init__(self, root: Path, instance: str, max_bytes: int) -> None:
        self._root, self._max_bytes = root, max_bytes
        self._folder = root / f"{re.sub(r'[^A-Za-z0-9.-]', '-', instance)}-{uuid4().hex[:8]}"
        self._lock = threading.RLock()
        self._held: int | None = None
        self._sealed: list[Segment] = []
        self._open: Segment | None = None
        self._file: int | None = None
        # Read without the lock, which is held while the disk writes.
        self.lines = 0
        self.bytes = 0

    def append(self, lines: bytes, count: int) -> None:
        """Write ``count`` whole lines and wait until the disk has them; on an error none of them is kept.

        Raises:
            SpoolFullError: they would exceed the bound.
            OSError: the disk is full, or gone.
        """
        with self._lock:
            if self.bytes + len(lines) > self._max_bytes:
                raise SpoolFullError(folder=str(self._root), mib=self._max_bytes >> 20)
            self._enter()
            segment, file = self._writable()
            try:
                _write(file, lines)
                os.fsync(file)
            except OSError:
                self._take_back(segment, file)
                raise
            segment.bytes += len(lines)
            segment.lines += count
            self.bytes += len(lines)
            self.lines += count
            if segment.bytes >= SEGMENT_BYTES:
                self._seal()

    def oldest(self) -> Segment | None:
        """What to ship next; nothing is written to it any more."""
        with self._lock:
            if not self._sealed:
                self._seal()
            return self._sealed[0] if self._sealed else None

    def remove(self, segment: Segment) -> None:
        """The store has all of it."""
        with self._lock:
            segment.path.unlink(missing_ok=True)
            self._sealed.remove(segment)
            self.bytes -= segment.bytes
            self.lines -= segment.lines

    def adopt(self) -> int:
        """Take over what processes left that are gone; gives how many lines.

        Raises:
            OSError: the folder cannot be read or written.
        """
        with self._lock:
            self._enter()
            before = self.lines
            with _locked(self._root / _LOCK):
                for folder in list(self._root.iterdir()):
                    for segment in self._taken_from(folder):
                        self._sealed.append(segment)
                        self.bytes += segment.bytes
                        self.lines += segment.lines
            self._sealed.sort(key=lambda segment: segment.path.name)
            found = self.lines - before
        if found:
            logger.info("{} lines of the spool are from processes that are gone; they are shipped now.", found)
        return found

    def close(self) -> None:
        """Let go of the folder. What is in it the next process ships."""
        with self._lock:
            self._seal()
            if self._held is None:
                return
            with _locked(self._root / _LOCK):
                if not self._sealed:
                    _discard(self._folder)
                os.close(self._held)
                self._held = None

    def _enter(self) -> None:
        """Make the process' folder and lock it, if that is not done or somebody removed it."""
        if self._held is not None and (self._folder / _LOCK).exists():
            return
        if self._held is not None:
            os.close(self._held)
            self._held = None
            self._seal()
        self._root.mkdir(parents=True, exist_ok=True)
        # Nobody may take the folder over between its making and its lock.
        with _locked(self._root / _LOCK):
            self._folder.mkdir(exist_ok=True)
            self._held = os.open(self._folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(self._held, fcntl.LOCK_EX)
            _sync_folder(self._root)

    def _writable(self) -> tuple[Segment, int]:
        if self._open is None or self._file is None:
            path = self._folder / f"{time.time_ns():020d}-{uuid4().hex[:8]}{_SUFFIX}"
            self._file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
            self._open = Segment(path)
            _sync_folder(self._folder)
        return self._open, self._file

    def _take_back(self, segment: Segment, file: int) -> None:
        try:
            os.ftruncate(file, segment.bytes)
        except OSError:
            self._seal()  # what comes next must not follow half a line

    def _seal(self) -> None:
        if self._file is not None:
            os.close(self._file)
        if self._open is not None and self._open.lines:
            self._sealed.append(self._open)
        elif self._open is not None:
            self._open.path.unlink(missing_ok=True)
        self._open = self._file = None

    def _taken_from(self, folder: Path) -> Iterator[Segment]:
        if folder == self._folder or not folder.is_dir():
            return
        held = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # its process lives
        else:
            for path in sorted(folder.glob(f"*{_SUFFIX}")):
                ours = path.rename(self._folder / path.name)
                yield Segment(ours, ours.stat().st_size, _count(ours))
            _discard(folder)
        finally:
            os.close(held)


def _write(file: int, lines: bytes) -> None:
    left = memoryview(lines)
    while left:
        left = left[os.write(file, left) :]


def _count(path: Path) -> int:
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(_COUNTED_BYTES), b""))


def _discard(folder: Path) -> None:
    try:
        (folder / _LOCK).unlink(missing_ok=True)
        folder.rmdir()
    except OSError as error:
        logger.warning("The empty spool {} stays: {}", folder, error)


def _sync_folder(folder: Path) -> None:
    """A file's name is safe from a loss of power only when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
