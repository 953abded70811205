"""The guard, with real processes: whatever dies first, nothing of the service is left."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from deployments import guard

# A service with a child that leaves its session and one that ignores SIGTERM: the two ways to be left behind.
SERVICE = """
import os, signal, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"])
open(sys.argv[1], "w").close()
time.sleep(60)
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "service.json"
    write_spec(path, [sys.executable, "-c", SERVICE, str(tmp_path / "started")])
    return path


def write_spec(path: Path, command: list[str], **more: Any) -> None:
    path.write_text(json.dumps({"command": command, "marker": f"{path}:service", "grace": 0.5, **more}))


@pytest.fixture
def supervisor(spec: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A stand-in for supervisord: starts the guard and waits for it."""
    code = "import subprocess, sys; subprocess.run(sys.argv[1:])"
    command = [sys.executable, "-c", code, sys.executable, "-I", "-S", guard.__file__, str(spec)]
    with subprocess.Popen(command) as process:
        await_file(spec.parent / "started")
        yield process
        process.kill()
    for left in marked(spec):
        with suppress(psutil.NoSuchProcess):  # the guard is at it too
            left.kill()


def await_file(path: Path) -> None:
    for _ in range(200):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} never came")


def marked(spec: Path) -> list[psutil.Process]:
    """Everything that the service of this spec started, and itself."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(guard.MARKER) == f"{spec}:service" and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def gone(spec: Path, seconds: float = 8.0) -> bool:
    deadline = time.monotonic() + seconds
    while marked(spec):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def guard_of(supervisor: subprocess.Popen[bytes]) -> psutil.Process:
    (child,) = psutil.Process(supervisor.pid).children()
    return child


def test_service_runs_with_all_its_processes(supervisor: subprocess.Popen[bytes], spec: Path) -> None:
    """The other tests prove something only if there was something to end."""
    assert len(marked(spec)) == 3


def test_killing_the_supervisor_ends_everything(supervisor: subprocess.Popen[bytes], spec: Path) -> None:
    """kill -9 of the supervisor leaves neither the guard nor any descendant, however it hides."""
    running = guard_of(supervisor)
    supervisor.kill()
    assert gone(spec)
    running.wait(5)


def test_killing_the_service_ends_its_descendants(supervisor: subprocess.Popen[bytes], spec: Path) -> None:
    """kill -9 of the service alone ends what it started, and the guard passes on how it ended."""
    running = guard_of(supervisor)
    (service,) = running.children()
    service.kill()
    assert gone(spec)
    running.wait(5)


def test_stop_ends_everything(supervisor: subprocess.Popen[bytes], spec: Path) -> None:
    """SIGTERM to the guard, which is how a stop arrives, ends the service and all its descendants."""
    guard_of(supervisor).terminate()
    assert gone(spec)


def test_next_guard_ends_what_a_killed_guard_left(supervisor: subprocess.Popen[bytes], spec: Path) -> None:
    """kill -9 of the guard leaves descendants; the guard that is started in its place ends them first."""
    guard_of(supervisor).kill()
    supervisor.wait(5)
    assert marked(spec), "the guard could not clean up, so something must be left"
    write_spec(spec, [sys.executable, "-c", "pass"])
    done = subprocess.run([sys.executable, "-I", "-S", guard.__file__, str(spec)], timeout=20)
    assert done.returncode == 0
    assert gone(spec, seconds=1)


def test_exit_code_is_passed_on(tmp_path: Path) -> None:
    """The supervisor decides about a restart by the service's own exit code; a signal is 128 and its number."""
    path = tmp_path / "service.json"
    for code, expected in (("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 128 + signal.SIGKILL)):
        write_spec(path, [sys.executable, "-c", code])
        assert subprocess.run([sys.executable, guard.__file__, str(path)], timeout=20).returncode == expected


def test_unknown_command_says_so(tmp_path: Path) -> None:
    """A command that is not there is an error line in the log, not a silent loop."""
    path = tmp_path / "service.json"
    write_spec(path, ["/nowhere/tool"])
    done = subprocess.run([sys.executable, guard.__file__, str(path)], capture_output=True, text=True, timeout=20)
    assert done.returncode == 127
    assert "cannot run /nowhere/tool" in done.stderr


def test_another_parent_means_too_late(tmp_path: Path) -> None:
    """A guard whose supervisor died before it could ask for the kernel's signal starts nothing."""
    pidfile = tmp_path / "supervisord.pid"
    pidfile.write_text("1")
    path = tmp_path / "service.json"
    write_spec(path, [sys.executable, "-c", f"open({str(tmp_path / 'ran')!r}, 'w')"], parent_pidfile=str(pidfile))
    assert subprocess.run([sys.executable, guard.__file__, str(path)], timeout=20).returncode == 1
    assert not (tmp_path / "ran").exists()


def test_waits_for_an_address(tmp_path: Path) -> None:
    """A service starts only once what it needs accepts connections; asked to stop before that, it never starts."""
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        path = tmp_path / "service.json"
        ran = tmp_path / "ran"
        write_spec(path, [sys.executable, "-c", f"open({str(ran)!r}, 'w')"], wait_for=[address])
        command = [sys.executable, guard.__file__, str(path)]
        with subprocess.Popen(command) as early:
            time.sleep(0.5)
            os.kill(early.pid, signal.SIGTERM)
            assert early.wait(5) == 0
        assert not ran.exists()
        listener.listen()
        assert subprocess.run(command, timeout=20).returncode == 0
        assert ran.exists()
