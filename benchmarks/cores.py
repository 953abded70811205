"""One core for the server under measurement, another for who asks it.

"One process" is not the same for all: some servers are always several. One core is. And a load generator that
takes the server's core now and then measures the scheduler.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

SERVER, ASKER = 0, 1


def apart() -> bool:
    """Whether this machine has two cores and lets us choose."""
    return hasattr(os, "sched_setaffinity") and {SERVER, ASKER} <= os.sched_getaffinity(0)


def give(pid: int, core: int) -> None:
    """Keep a process, and those it will start, on a core. It must just have begun: its other threads stay."""
    if _divided:
        os.sched_setaffinity(pid, {core})


@contextmanager
def divided() -> Iterator[bool]:
    """Everything that this process starts is on the asker's core, servers on their own; whether that could be had."""
    if not apart():
        yield False
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {ASKER})
    _divided.append(True)
    try:
        yield True
    finally:
        _divided.clear()
        os.sched_setaffinity(0, before)


_divided: list[bool] = []
