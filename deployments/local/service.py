"""One process of the local stack."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Service:
    """One process to supervise.

    Attributes:
        name: in the log file's name, in `sluice status`, and for the supervisor.
        title: for people.
        command: without a shell.
        ports: which it will listen on, with the setting that moves each.
        wait_for: ``host:port`` addresses that must accept connections before it is started.
        grace: seconds it gets to end after SIGTERM.
    """

    name: str
    title: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[int, str] = field(default_factory=dict)
    wait_for: tuple[str, ...] = ()
    grace: float = 10.0
