"""The spool: nothing that was taken is lost, nothing is taken that has no room."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.spool import SEGMENT_BYTES, Spool
from sluice.errors import SpoolFullError

LINE = b"x" * 99 + b"\n"
ROOMY = 1 << 30


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool", "host:1", ROOMY)
    yield spool
    spool.close()


def drained(spool: Spool) -> bytes:
    """All that is in it, oldest first."""
    found = b""
    while segment := spool.oldest():
        found += segment.path.read_bytes()
        spool.remove(segment)
    return found


def test_lines_come_out_in_their_order_and_leave_nothing(spool: Spool, tmp_path: Path) -> None:
    """Over several segments; a closed spool that is empty has no file."""
    lines = [f"{number:09}\n".encode() * 100_000 for number in range(10)]
    for some in lines:
        spool.append(some, 100_000)
    assert sum(map(len, lines)) > 2 * SEGMENT_BYTES
    assert spool.lines == 1_000_000
    assert drained(spool) == b"".join(lines)
    assert (spool.lines, spool.bytes) == (0, 0)
    spool.close()
    assert [path.name for path in (tmp_path / "spool").iterdir()] == ["lock"]


def test_a_segment_that_is_shipped_does_not_change(spool: Spool) -> None:
    """What is written meanwhile comes in the next one."""
    spool.append(b"first\n", 1)
    first = spool.oldest()
    assert first is not None
    spool.append(b"second\n", 1)
    assert spool.oldest() is first
    assert first.path.read_bytes() == b"first\n"
    spool.remove(first)
    assert drained(spool) == b"second\n"


def test_a_full_spool_refuses_and_keeps_what_it_has(tmp_path: Path) -> None:
    """Also over a restart, and takes more when there is room again."""
    full = Spool(tmp_path, "host:1", 1000)
    for _ in range(10):
        full.append(LINE, 1)
    with pytest.raises(SpoolFullError, match="SLUICE_PREDICTION_LOG__MAX_MIB"):
        full.append(LINE, 1)
    full.close()
    after = Spool(tmp_path, "host:2", 1000)
    assert after.adopt() == 10
    with pytest.raises(SpoolFullError):
        after.append(LINE, 1)
    assert drained(after) == LINE * 10
    after.append(LINE, 1)
    after.close()


def test_two_processes_keep_out_of_each_other_s_way(tmp_path: Path) -> None:
    """What a living one has nobody takes; when it is gone, one of the others does."""
    first, second, third = (Spool(tmp_path, "host:1", ROOMY) for _ in range(3))
    first.append(b"first\n", 1)
    second.append(b"second\n", 1)
    assert second.adopt() == 0
    first.close()
    assert second.adopt() == 1
    assert third.adopt() == 0
    assert sorted(drained(second).splitlines()) == [b"first", b"second"]
    second.close()
    third.close()


_KILLED = """
import os, sys, pathlib
from serving.spool import Spool
spool = Spool(pathlib.Path(sys.argv[1]), "killed", 1 << 30)
spool.append(b"whole\\n", 1)
os.write(spool._file, b"hal")
os.kill(os.getpid(), 9)
"""


def test_what_a_killed_process_left_is_adopted(spool: Spool, tmp_path: Path) -> None:
    """With the line that it did not finish, which readers leave out."""
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path / "spool")], check=False, timeout=60)
    assert killed.returncode == -9
    assert spool.adopt() == 1
    assert drained(spool) == b"whole\nhal"


_DISK_FULL = """
import pathlib, resource, signal, sys
from serving.spool import Spool
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
spool = Spool(pathlib.Path(sys.argv[1]), "full", 1 << 30)
spool.append(b"a" * 99 + b"\\n", 1)
resource.setrlimit(resource.RLIMIT_FSIZE, (150, resource.RLIM_INFINITY))
try:
    spool.append(b"b" * 99 + b"\\n", 1)
except OSError as error:
    print(type(error).__name__)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
spool.append(b"c" * 99 + b"\\n", 1)
"""


def test_a_write_that_fails_leaves_no_half_line(spool: Spool, tmp_path: Path) -> None:
    """The file reaches its largest size in the middle of a line; the next line is whole."""
    done = subprocess.run(
        [sys.executable, "-c", _DISK_FULL, str(tmp_path / "spool")], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "OSError", done.stderr
    assert spool.adopt() == 2
    assert drained(spool) == b"a" * 99 + b"\n" + b"c" * 99 + b"\n"


def test_a_folder_that_somebody_removed_is_made_again(spool: Spool, tmp_path: Path) -> None:
    """A cleaning job must not end the log for good."""
    spool.append(b"gone\n", 1)
    subprocess.run(["rm", "-r", str(tmp_path / "spool")], check=True)
    spool.append(b"here\n", 1)
    gone = spool.oldest()
    assert gone is not None
    assert not gone.path.exists()
    spool.remove(gone)
    assert drained(spool) == b"here\n"
