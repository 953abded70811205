"""Supervisord of one stack: its configuration, its start, and the few calls made to it.

It restarts what dies, rotates logs, and answers XML-RPC on a Unix socket. Every service runs under `deployments.guard`.
"""

import hashlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from xmlrpc.client import Error as RpcError
from xmlrpc.client import ServerProxy

from deployments import guard
from deployments.errors import ServiceFailedError
from deployments.local.service import Service

# Linux allows 107 bytes; supervisord first binds to the path with its process id appended.
_SOCKET_PATH_MAX = 107 - len(".4194304")
_STOP_SECONDS = 10.0

# It runs in the home, and names there are relative: it expands a log file's name twice, so a per cent sign in the path
# cannot be escaped.
_HEAD = """\
[supervisord]
nodaemon = true
silent = true
logfile = logs/supervisord.log
logfile_maxbytes = 5MB
logfile_backups = 1
pidfile = run/supervisord.pid
childlogdir = logs
identifier = sluice
{user}
[unix_http_server]
file = {socket}
chmod = 0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""

_PROGRAM = """
[program:{name}]
command = {command}
autorestart = true
startsecs = 2
startretries = 3
stopwaitsecs = {stop}
redirect_stderr = true
stdout_logfile = logs/{name}.log
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 3
"""


@dataclass(frozen=True)
class ProcessState:
    """What supervisord knows of one service. ``started`` is in seconds of the epoch."""

    name: str
    state: str
    started: int
    pid: int
    problem: str


@dataclass(frozen=True)
class Supervisor:
    """Supervisord of the stack that lives in ``home`` and runs in the folder ``root``."""

    home: Path
    root: Path

    @property
    def run_dir(self) -> Path:
        return self.home / "run"

    @property
    def log_dir(self) -> Path:
        return self.home / "logs"

    @property
    def socket(self) -> Path:
        return socket_path(self.run_dir)

    def log(self, service: str) -> Path:
        return self.log_dir / f"{service}.log"

    def configure(self, services: Sequence[Service], environment: Mapping[str, str]) -> Path:
        """Write supervisord's configuration and one file a service for its guard."""
        for folder in (self.run_dir, self.log_dir):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
        user = "user = root" if os.geteuid() == 0 else ""  # silences a warning; it is who we are already
        parts = [_HEAD.format(socket=_escaped(self.socket), user=user)]
        for service in services:
            spec = self.run_dir / f"{service.name}.json"
            _write_private(spec, json.dumps(self._spec(service, environment), indent=2))
            command = (sys.executable, "-I", "-S", guard.__file__, str(spec))
            stop = int(2 * service.grace) + 5
            parts.append(_PROGRAM.format(name=service.name, command=_escaped(shlex.join(command)), stop=stop))
        path = self.run_dir / "supervisord.conf"
        _write_private(path, "".join(parts))
        return path

    def _spec(self, service: Service, environment: Mapping[str, str]) -> dict[str, Any]:
        return {
            "command": service.command,
            # By its own variable OpenTelemetry, and by it our logging, knows what a process of another project is.
            "env": {**environment, "OTEL_SERVICE_NAME": service.name, **service.env},
            "cwd": str(self.root),
            "wait_for": service.wait_for,
            "grace": service.grace,
            "marker": f"{self.home}:{service.name}",
            "parent_pidfile": str(self.run_dir / "supervisord.pid"),
        }

    def start(self, configuration: Path) -> int:
        """Start supervisord in a session of its own and wait until it answers. Its process id."""
        output = self.log("supervisord")
        with output.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.home,
            )
        for _ in range(200):
            if self.alive():
                process.returncode = 0  # it outlives this object, of which Popen would warn; stop_all waits
                return process.pid
            if process.poll() is not None:
                break
            time.sleep(0.05)
        raise ServiceFailedError(service="supervisor", problem="did not start", log=output, tail=tail(output))

    def alive(self) -> bool:
        """Whether supervisord answers."""
        try:
            return bool(self._call("getState")["statename"])
        except (OSError, RpcError):
            return False

    def states(self) -> dict[str, ProcessState]:
        """All services by name; empty when supervisord does not answer."""
        try:
            infos = self._call("getAllProcessInfo")
        except (OSError, RpcError):
            return {}
        return {
            info["name"]: ProcessState(info["name"], info["statename"], info["start"], info["pid"], info["spawnerr"])
            for info in infos
        }

    def stop(self, service: str) -> None:
        """Stop one service and wait for its end."""
        with suppress(OSError, RpcError):  # it is not running, or nothing is
            self._call("stopProcess", service, True)

    def start_again(self, service: str) -> None:
        """Start one service that was stopped."""
        self._call("startProcess", service, False)

    def stop_all(self) -> None:
        """Stop all services side by side, then supervisord, and wait for its end."""
        import psutil

        try:
            supervisord = psutil.Process(self._call("getPID"))
            self._call("stopAllProcesses", True)
            self._call("shutdown")
            supervisord.wait(_STOP_SECONDS)
        except (OSError, RpcError, psutil.Error):
            return  # it ended by itself meanwhile; what is left is found by its mark

    def _call(self, method: str, *arguments: Any) -> Any:
        from supervisor.xmlrpc import SupervisorTransport

        transport = SupervisorTransport(None, None, f"unix://{self.socket}")
        with closing(transport):
            # The address is not used: the transport holds the socket's path.
            proxy = ServerProxy("http://127.0.0.1", transport=cast("Any", transport))
            return getattr(proxy.supervisor, method)(*arguments)


def socket_path(run_dir: Path) -> Path:
    """Where supervisord listens: in the run folder, or in a private temporary one where that path is too long."""
    path = run_dir / "supervisor.sock"
    if len(os.fsencode(path)) <= _SOCKET_PATH_MAX:
        return path
    key = hashlib.sha256(os.fsencode(run_dir)).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"sluice-{os.getuid()}-{key}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user; set TMPDIR to a folder of your own")
    return folder / "supervisor.sock"


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, for a message."""
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except OSError:
        return "(nothing yet)"


def _write_private(path: Path, text: str) -> None:
    """An address may have a password in it."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def _escaped(value: object) -> str:
    return str(value).replace("%", "%%")
