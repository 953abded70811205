"""Supervisord's configuration, read back by supervisord's own parser."""

import configparser
import json
import os
import shlex
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from deployments import guard
from deployments.local import leftovers
from deployments.local.leftovers import end_leftovers
from deployments.local.service import Service
from deployments.local.supervisor import Supervisor, socket_path, tail

SERVICE = Service(name="echo", title="Echo", command=("echo", "100%", "two words"), env={"COLOUR": '50% "blue"'})


def parsed(path: Path) -> configparser.ConfigParser:
    """As supervisord reads it: with % as the mark of an expansion."""
    parser = configparser.ConfigParser()
    parser.read(path)
    return parser


def test_every_service_runs_under_the_guard(tmp_path: Path) -> None:
    """The command is the guard with the service's file, so nothing can be left behind; dead services are restarted."""
    path = Supervisor(tmp_path, root=tmp_path).configure([SERVICE], {})
    program = parsed(path)["program:echo"]
    assert shlex.split(program["command"]) == [
        sys.executable,
        "-I",
        "-S",
        guard.__file__,
        str(tmp_path / "run" / "echo.json"),
    ]
    assert program["autorestart"] == "true"


def test_logs_are_rotated_by_service(tmp_path: Path) -> None:
    """Each service has a log of its own whose size is bounded."""
    path = Supervisor(tmp_path, root=tmp_path).configure([SERVICE], {})
    program = parsed(path)["program:echo"]
    assert program["stdout_logfile"] == "logs/echo.log"
    assert program["stdout_logfile_maxbytes"] == "10MB"
    assert program["redirect_stderr"] == "true"


def test_awkward_characters_survive(tmp_path: Path) -> None:
    """A per cent sign in the folder's name, and quotes in the environment, reach the service unchanged."""
    home = tmp_path / "50% off"
    home.mkdir()
    path = Supervisor(home, root=home).configure([SERVICE], {"COMMON": "a,b=c"})
    assert parsed(path)["program:echo"]["command"].endswith(f"'{home}/run/echo.json'")
    spec = json.loads((home / "run" / "echo.json").read_text())
    assert spec["command"] == ["echo", "100%", "two words"]
    assert spec["env"] == {"COMMON": "a,b=c", "OTEL_SERVICE_NAME": "echo", "COLOUR": '50% "blue"'}


def test_run_folder_is_private(tmp_path: Path) -> None:
    """Who can talk to supervisord can start programs, so nobody else may reach its socket."""
    supervisor = Supervisor(tmp_path, root=tmp_path)
    supervisor.configure([], {})
    assert stat.S_IMODE(supervisor.run_dir.stat().st_mode) == 0o700


def test_deep_folder_gets_a_short_socket(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unix sockets have a length limit: a deep home uses a private folder below the temporary one, always the same."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("t")))
    deep = tmp_path / ("d" * 120) / "run"
    path = socket_path(deep)
    assert len(str(path)) < 100
    assert path == socket_path(deep)
    assert path != socket_path(deep / "other")
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_silent_supervisor_is_not_alive(tmp_path: Path) -> None:
    """A socket file that nobody listens on, which a crash leaves, does not count as a stack that is up."""
    supervisor = Supervisor(tmp_path, root=tmp_path)
    supervisor.configure([], {})
    supervisor.socket.touch()
    assert not supervisor.alive()
    assert supervisor.states() == {}


def test_tail_shows_the_end_of_a_log(tmp_path: Path) -> None:
    """A message about a service ends with what it said last; a log that is not there is no error."""
    log = tmp_path / "echo.log"
    assert "nothing" in tail(log)
    log.write_text("\n".join(map(str, range(100))))
    assert tail(log, lines=2) == "98\n99"


@pytest.mark.parametrize("name", ["plain", "with spaces, 50% of them", "d" * 150])
def test_supervisord_runs_and_ends_services(
    tmp_path_factory: pytest.TempPathFactory, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real one: it answers, restarts what dies, and leaves nothing when it is stopped, in awkward folders too."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("t")))
    home = tmp_path_factory.mktemp("home") / name
    supervisor = Supervisor(home, root=tmp_path_factory.getbasetemp())
    sleeper = Service(name="sleeper", title="Sleeper", command=("sleep", "1000"))
    pid = supervisor.start(supervisor.configure([sleeper], {}))
    try:
        assert supervisor.alive()
        first = await_child(supervisor, "sleeper")
        first.kill()
        assert await_child(supervisor, "sleeper", other_than=first).pid != first.pid
    finally:
        supervisor.stop_all()
    assert not supervisor.alive()
    assert end_leftovers(home) == 0
    with pytest.raises(ChildProcessError):  # it was our child, and its end has been seen
        os.waitpid(pid, os.WNOHANG)


def test_what_ends_while_it_is_ended_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of the stack may die between being found and being told to."""
    process = subprocess.Popen(["sleep", "1000"], env={guard.MARKER: f"{tmp_path}:sleeper"})
    belongs = leftovers._belongs

    def belonged(found: object, home: Path) -> bool:
        answer = belongs(found, home)
        if isinstance(found, psutil.Process) and found.pid == process.pid:
            process.kill()
            process.wait(10)
        return answer

    monkeypatch.setattr(leftovers, "_belongs", belonged)
    assert end_leftovers(tmp_path) == 1


@pytest.mark.slow
def test_a_log_cannot_fill_the_disk(tmp_path: Path) -> None:
    """A service that never stops talking keeps some 40 MB of what it said last, the rest is dropped."""
    supervisor = Supervisor(tmp_path, root=tmp_path)
    code = "import time\nfor n in range(700_000): print(f'{n:099}')\nprint('END', flush=True)\ntime.sleep(99)"
    talker = Service(name="talker", title="Talker", command=(sys.executable, "-c", code))
    supervisor.start(supervisor.configure([talker], {}))
    try:
        assert eventually(lambda: "END" in tail(supervisor.log("talker")))
    finally:
        supervisor.stop_all()
    sizes = [path.stat().st_size for path in supervisor.log_dir.glob("talker.log*")]
    assert len(sizes) == 4
    assert sum(sizes) < 45_000_000


def eventually(true: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def await_child(supervisor: Supervisor, name: str, other_than: psutil.Process | None = None) -> psutil.Process:
    """The process that a service's guard runs now."""
    for _ in range(200):
        state = supervisor.states().get(name)
        with suppress(psutil.Error):
            children = psutil.Process(state.pid).children() if state and state.pid else []
            if children and children[0] != other_than:
                return children[0]
        time.sleep(0.05)
    raise AssertionError(f"{name} has no process")


def test_what_it_writes_is_for_its_user_only(tmp_path: Path) -> None:
    """A service's environment and what it logs may have a password in it; what was there before is made private too."""
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    (run_dir / "echo.json").write_text("{}")
    (run_dir / "echo.json").chmod(0o644)
    Supervisor(tmp_path, root=tmp_path).configure([SERVICE], {})
    assert {stat.S_IMODE(path.stat().st_mode) for path in run_dir.iterdir()} == {0o600}
    assert {stat.S_IMODE((tmp_path / folder).stat().st_mode) for folder in ("run", "logs")} == {0o700}
