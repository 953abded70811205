"""What happens when a process is asked to end."""

import os
import signal
from types import FrameType

import pytest

from serving.runs.leaving import when_leaving


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ours_comes_before_the_servers_own(number: signal.Signals) -> None:
    """Both are called, and afterwards all is as it was."""
    heard: list[str] = []

    def servers(signum: int, frame: FrameType | None) -> None:
        heard.append("server")

    before = signal.signal(number, servers)
    try:
        with when_leaving(lambda: heard.append("ours")):
            os.kill(os.getpid(), number)
            assert heard == ["ours", "server"]
        os.kill(os.getpid(), number)
        assert heard == ["ours", "server", "server"]
    finally:
        signal.signal(number, before)
