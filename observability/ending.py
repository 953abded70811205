"""What a process still has to send when it ends, sent within a bound: at a normal end, and after SIGTERM."""

import atexit
import os
import signal
import threading
from collections.abc import Callable

# All of it together. Supervisors wait ten seconds and more before they kill.
END_SECONDS = 3.0

_closers: list[Callable[[float], None]] = []
_registered: list[bool] = []


def at_end(close: Callable[[float], None]) -> None:
    """Have ``close`` called once, with the seconds that it has, when the process ends."""
    if not _registered:
        _registered.append(True)
        atexit.register(end)
        end_on_sigterm()
    _closers.append(close)


def end_on_sigterm() -> None:
    """SIGTERM ends a Python process without its exit functions where nobody handles it: there, a handler comes first.

    Call it before uvicorn serves: it hands the signal back afterwards to whoever was there before.
    """
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminated)


def end(seconds: float = END_SECONDS) -> None:
    """Close everything side by side, and wait for it no longer than this."""
    closers = [_closers.pop() for _ in range(len(_closers))]
    # Daemons: what hangs in spite of its bound must not keep the process.
    threads = [threading.Thread(target=close, args=(seconds,), daemon=True) for close in closers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + 0.5)


def _terminated(number: int, _: object) -> None:
    end()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
