"""What a step does that takes too long: it goes on while a file exists, and hears of a time limit in its own way."""

import time
from pathlib import Path

from sluice.errors import SoftTimeLimitExceededError


def be_busy(how: str, file: str) -> None:
    """``how``: ``asleep`` in C code for minutes, or while ``file`` exists ``plainly``, ``tidily``, ``stubbornly``."""
    if how == "asleep":
        time.sleep(600)
    while how and Path(file).exists():
        try:
            while Path(file).exists():
                time.sleep(0.05)
        except SoftTimeLimitExceededError:
            with open(f"{file}.told", "a") as told:
                told.write(f"{time.time()}\n")
            if how == "tidily":
                return
            if how == "plainly":
                raise


def fail_some_times(times: int, file: str) -> None:
    """The first so many calls fail; ``file`` has a line for each call."""
    if times:
        with open(file, "a") as calls:
            calls.write(f"{time.time()}\n")
        if len(Path(file).read_text().splitlines()) <= times:
            raise RuntimeError("it was told to fail")
