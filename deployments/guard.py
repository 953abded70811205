"""Run one service so that nothing of it outlives this process, or this process its supervisor.

Started by file path with ``python -I -S``: it costs some 20 ms, and no folder of the user can shadow what it imports.

    guard.py SPEC.json     # command, env, cwd, wait_for, grace, marker, parent_pidfile

How nothing is left behind:
- the supervisor dies (kill -9 included): the kernel sends this process SIGTERM (PR_SET_PDEATHSIG);
- the service dies, or is stopped: descendants that left its process group come to this process
  (PR_SET_CHILD_SUBREAPER), which ends them all before it exits;
- this process is killed with -9: the kernel kills the service (its own PR_SET_PDEATHSIG), and the next guard of the
  same service ends what is left, by the marker in its environment.
"""

import ctypes
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

# Also read by `deployments.local.leftovers`. Not SLUICE_*: those are settings.
MARKER = "_SLUICE_GUARDED"

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_STOP = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}
_WATCHED = _STOP | {signal.SIGCHLD}


def main(path: str) -> int:
    with open(path, encoding="utf-8") as file:
        spec: dict[str, Any] = json.load(file)
    # Blocked and then waited for, so that a signal can come at any point and none is lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    if not _parent_lives(spec.get("parent_pidfile")):
        return 1
    grace = float(spec.get("grace", 10.0))
    _end(lambda: _marked(spec["marker"]), grace=1.0)
    for address in spec.get("wait_for", ()):
        if not _wait_for(address):
            return 0
    child = _spawn(spec)
    status = _watch(child, grace)
    _end(lambda: _descendants(os.getpid()), grace)
    return status


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


def _parent_lives(pidfile: str | None) -> bool:
    """Whether the supervisor lives: it may have died before the kernel was asked to tell us."""
    if pidfile is None:
        return os.getppid() != 1
    try:
        with open(pidfile, encoding="utf-8") as file:
            return int(file.read()) == os.getppid()
    except (OSError, ValueError):
        return False


def _wait_for(address: str) -> bool:
    """Wait until ``host:port`` accepts a connection. False: told to stop before that."""
    host, _, port = address.rpartition(":")
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1.0).close()
        except OSError:
            caught = signal.sigtimedwait(_WATCHED, 0.1)
            if caught is not None and caught.si_signo in _STOP:
                return False
        else:
            return True


def _spawn(spec: dict[str, Any]) -> int:
    guard = os.getpid()
    environment = {**os.environ, **spec.get("env", {}), MARKER: spec["marker"]}
    command: list[str] = spec["command"]
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard:
            os._exit(1)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.chdir(spec.get("cwd") or ".")
        os.execvpe(command[0], command, environment)  # noqa: S606 the spec is ours; a shell is not wanted
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]}: {error}\n")
    finally:
        os._exit(127)


def _watch(child: int, grace: float) -> int:
    """Wait for the end of the child, passing on requests to stop. Its exit code, or 128 + signal."""
    deadline = float("inf")
    while True:
        caught = signal.sigtimedwait(_WATCHED, 1.0)
        for pid, status in _reap():
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
        if caught is not None and caught.si_signo in _STOP:
            # Only the service itself: it ends its own children in its own order. What it leaves is ended after.
            _kill(child, signal.SIGTERM)
            deadline = min(deadline, time.monotonic() + grace)
        if time.monotonic() > deadline:
            _kill(child, signal.SIGKILL)


def _reap() -> Iterator[tuple[int, int]]:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, status


def _end(remaining: Any, grace: float) -> None:
    """SIGTERM to all processes that ``remaining()`` lists, SIGKILL to those that live on after ``grace`` seconds."""
    told: set[int] = set()
    deadline = time.monotonic() + grace
    while pids := remaining():
        # Asked anew each time: a process may start another between the list and the signal.
        late = time.monotonic() > deadline
        for pid in pids if late else pids - told:
            _kill(pid, signal.SIGKILL if late else signal.SIGTERM)
        told |= pids
        signal.sigtimedwait({signal.SIGCHLD}, 0.1)
        list(_reap())


def _kill(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # ended by itself meanwhile
        os.kill(pid, number)


def process_ids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _descendants(root: int) -> set[int]:
    children: dict[int, list[int]] = {}
    for pid in process_ids():
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                # The name, in parentheses, may itself contain blanks and parentheses.
                state, parent = file.read().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            children.setdefault(int(parent), []).append(pid)
    found: set[int] = set()
    queue = [root]
    while queue:
        for pid in children.get(queue.pop(), ()):
            found.add(pid)
            queue.append(pid)
    return found


def _marked(marker: str) -> set[int]:
    wanted = f"{MARKER}={marker}".encode()
    found: set[int] = set()
    for pid in process_ids():
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if wanted in file.read().split(b"\0"):
                    found.add(pid)
        except OSError:
            continue
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
