"""How long this machine keeps a thread waiting that writes a file and gives way to others, as the log's writer does."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from serving.background import give_way

_EVERY_SECONDS = 0.05


@dataclass
class DiskDelay:
    """``longest``: seconds from the moment a write was due until the disk had it."""

    longest: float = 0.0


@contextmanager
def disk_delay(folder: Path) -> Iterator[DiskDelay]:
    """Measure it while the block runs, with a new file and its folder synced each time, as a spool does it."""
    found, left = DiskDelay(), threading.Event()

    def write() -> None:
        give_way()
        while not left.is_set():
            due = time.monotonic() + _EVERY_SECONDS
            left.wait(_EVERY_SECONDS)
            file = os.open(folder / "delay", os.O_CREAT | os.O_WRONLY)
            directory = os.open(folder, os.O_RDONLY)
            os.write(file, bytes(4096))
            os.fsync(directory)
            os.fsync(file)
            os.close(directory)
            os.close(file)
            (folder / "delay").unlink()
            found.longest = max(found.longest, time.monotonic() - due)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        left.set()
        thread.join()
