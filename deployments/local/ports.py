"""Ports of this machine: which are free, and who holds those that are not."""

import atexit
import errno
import random
import socket
from contextlib import ExitStack

# Linux lends 32768 and above to outgoing connections, macOS 49152 and above; Kubernetes' node ports begin at 30000.
_OURS = range(20_000, 30_000)
_claims = ExitStack()
atexit.register(_claims.close)


def is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do: a port whose last connections are still closing counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def free_ports(host: str, count: int) -> list[int]:
    """Different ports that nobody listens on, and that nobody is given before this process ends.

    They are kept bound, and lent to every server that sets SO_REUSEADDR, as all of ours do. Only ports below those that
    systems lend to outgoing connections are chosen: a server that is started again finds its port free.

    Raises:
        OSError: there are not so many.
    """
    chosen: list[int] = []
    candidates = iter(random.sample(_OURS, len(_OURS)))
    while len(chosen) < count:
        port = next(candidates, None)
        if port is None:
            raise OSError(f"{host} has no {count} free ports between {_OURS[0]} and {_OURS[-1]}")
        claim = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            # Alone first, so that two processes cannot claim the same port, then shared with the server it is for.
            claim.bind((host, port))
            claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        except OSError as error:
            claim.close()
            if error.errno != errno.EADDRINUSE:
                raise
            continue
        _claims.enter_context(claim)
        chosen.append(port)
    return chosen


def holder(port: int) -> str:
    """The process that listens on a port, for a message."""
    import psutil

    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return "another process"
    for connection in connections:
        listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
        if listens and connection.pid:
            try:
                command = " ".join(psutil.Process(connection.pid).cmdline())
            except psutil.Error:
                break
            return f"process {connection.pid} ({command[:80]})"
    return "another process"
