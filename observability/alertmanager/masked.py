"""Alertmanager, with the addresses of receivers taken out of what it logs: it quotes one that does not answer.

Takes the place of this process, so that whoever started it watches and ends Alertmanager itself:
``python -m observability.alertmanager.masked FILE... -- COMMAND...``. A file holds an address.
"""

import os
import signal
import sys
from collections.abc import Iterable
from functools import reduce
from pathlib import Path
from urllib.parse import urlsplit

from observability.redaction import MASK, SHORTEST


def main(arguments: list[str]) -> None:
    end = arguments.index("--")
    secrets = _secrets(Path(name).read_text(encoding="utf-8").strip() for name in arguments[:end])
    read, write = os.pipe()
    if os.fork() == 0:
        os.close(write)
        _copy(read, secrets)
        os._exit(0)
    os.close(read)
    os.dup2(write, 1)
    os.dup2(write, 2)
    os.execv(arguments[end + 1], arguments[end + 1 :])  # noqa: S606 no shell is wanted


def _secrets(addresses: Iterable[str]) -> list[bytes]:
    """Each as a whole, and what is behind its host, the longest first."""
    found = set(addresses)
    for address in list(found):
        parts = urlsplit(address)
        found.add(f"{parts.path}?{parts.query}" if parts.query else parts.path)
    return sorted((text.encode() for text in found if len(text) >= SHORTEST), key=len, reverse=True)


def _copy(source: int, secrets: list[bytes]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the last line comes after it
    with os.fdopen(source, "rb") as lines:
        for line in lines:
            sys.stdout.buffer.write(reduce(lambda text, secret: text.replace(secret, MASK.encode()), secrets, line))
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
