"""What is to happen when the process is asked to end, before it waits for the requests under way."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def when_leaving(call: Callable[[], None]) -> Iterator[None]:
    """Call it when one of the signals comes that end a server, and then what the server itself does.

    A request that never ends by itself would keep the server from ending until its patience is over.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # whoever runs a server in a thread ends it without a signal
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def handler_for(number: int) -> Callable[[int, FrameType | None], Any]:
        servers = before[signal.Signals(number)]

        def handle(signum: int, frame: FrameType | None) -> None:
            call()
            if callable(servers):
                servers(signum, frame)

        return handle

    ours = {number: handler_for(number) for number in _SIGNALS if callable(before[number])}
    for number, handler in ours.items():
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, handler in ours.items():
            if signal.getsignal(number) is handler:
                signal.signal(number, before[number])
