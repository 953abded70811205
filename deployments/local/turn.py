"""Whose turn it is: one command changes a stack at a time, and what it must finish is not interrupted."""

import fcntl
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deployments.errors import HomeUnwritableError, StackBusyError


@contextmanager
def uninterrupted() -> Iterator[None]:
    """What is done in the block is done to its end."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is interrupted
        return
    # A terminal that is closed, or a polite kill, ends a command as Ctrl-C does.
    before = {
        number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def turn(home: Path) -> Iterator[None]:
    """One `up` or `down` a home at a time. The kernel drops the lock with its process, so it is never stale.

    Raises:
        HomeUnwritableError, StackBusyError: nothing was done.
    """
    try:
        (home / "run").mkdir(parents=True, exist_ok=True)
        file = (home / "run" / "lock").open("w")
    except OSError as error:
        raise HomeUnwritableError(path=home, problem=error.strerror) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackBusyError(home=home) from None
        yield
