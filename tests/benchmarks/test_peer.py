"""A side of a comparison in a process of its own, and its memory."""

import os
from pathlib import Path

import psutil
import pytest

from benchmarks.memory import PeakMemory
from benchmarks.peer import Peer

SIDE = """
import sys, time
from benchmarks.peer import serve
def answer(size):
    print("a library says something")
    if size < 0:
        sys.exit("no such size")
    made = b"x" * size
    time.sleep(size / 4e8)  # several samples of its memory
    return len(made)
serve(answer)
"""


@pytest.fixture
def side(tmp_path: Path) -> Peer:
    (tmp_path / "side.py").write_text(SIDE)
    root = Path(__file__).parents[2]
    return Peer("side", {**os.environ, "PYTHONPATH": f"{tmp_path}:{root}"}, tmp_path / "side.log")


def test_a_peer_answers_whatever_its_libraries_print(side: Peer, tmp_path: Path) -> None:
    """Answers are its own; what is printed goes to its log; several requests go to one process."""
    with side:
        assert [side.ask(size=3), side.ask(size=4)] == [3, 4]
    assert (tmp_path / "side.log").read_text().count("a library says something") == 2


def test_a_peer_that_ends_is_told_with_its_log(side: Peer) -> None:
    """The run of the benchmark fails with the cause, and does not wait for ever."""
    with pytest.raises(RuntimeError, match="no such size"), side:
        side.ask(size=-1)


def test_peak_memory_is_the_peers(side: Peer) -> None:
    """What it holds only while it works is in the peak, and this process's own memory is not."""
    ballast = b"x" * 200_000_000
    with side, PeakMemory(lambda: [psutil.Process(side.pid)]) as memory:
        side.ask(size=1)
        for _ in range(3):
            side.ask(size=100_000_000)
    assert 90 < memory.peak < 190
    assert len(ballast) == 200_000_000
