"""Ports: what is free, and who has those that are not."""

import os
import socket
from contextlib import ExitStack

import pytest

import deployments.local.ports as ports_module
from deployments.local.ports import free_ports, holder, is_free


def test_listening_port_is_not_free() -> None:
    """A port that somebody listens on is found before anything is started; its owner is named."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert not is_free("127.0.0.1", port)
        assert f"process {os.getpid()} (" in holder(port)
    assert is_free("127.0.0.1", port)


def test_free_ports_are_free() -> None:
    """A server can listen on each of them right away, all at once."""
    ports = free_ports("127.0.0.1", 5)
    assert len(set(ports)) == 5
    assert all(is_free("127.0.0.1", port) for port in ports)
    with ExitStack() as servers:
        for port in ports:
            servers.enter_context(socket.create_server(("127.0.0.1", port)))
        assert not any(is_free("127.0.0.1", port) for port in ports)


def test_free_ports_are_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until a server listens, its port is given to nobody else."""
    first = free_ports("127.0.0.1", 2)
    monkeypatch.setattr(ports_module, "_OURS", first)
    with pytest.raises(OSError, match="has no 1 free ports"):
        free_ports("127.0.0.1", 1)
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", first[0]))


def test_host_of_no_interface_is_an_error() -> None:
    """An address that is not this machine's has no free ports, however long one looks."""
    with pytest.raises(OSError, match="assign"):
        free_ports("192.0.2.1", 1)


def test_unknown_holder_is_no_error() -> None:
    """The message about a taken port comes even if its owner cannot be seen."""
    assert holder(1) == "another process"
