"""Ports: what is free, and who has those that are not."""

import os
import socket

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
    """They can be bound right away, all at once."""
    ports = free_ports("127.0.0.1", 5)
    assert len(set(ports)) == 5
    assert all(is_free("127.0.0.1", port) for port in ports)


def test_unknown_holder_is_no_error() -> None:
    """The message about a taken port comes even if its owner cannot be seen."""
    assert holder(1) == "another process"
