"""Whether a container's process does its work: ``python -m deployments.probe``, for health checks.

With an address: whether it answers well. With ``FILE SECONDS``: whether the file was touched so lately. Only the
standard library is imported, since it is asked every few seconds.
"""

import sys
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

_SECONDS = 4.0


def answers(url: str) -> bool:
    """Whether ``GET url`` is answered with 2xx within four seconds, without any proxy."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=_SECONDS)
    try:
        connection.request("GET", f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}")
        return 200 <= connection.getresponse().status < 300
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def touched(path: Path, seconds: float) -> bool:
    """Whether the file is there and no older."""
    try:
        return time.time() - path.stat().st_mtime < seconds
    except OSError:
        return False


def main(arguments: list[str]) -> int:
    match arguments:
        case [url]:
            return 0 if answers(url) else 1
        case [path, seconds]:
            return 0 if touched(Path(path), float(seconds)) else 1
    sys.exit("python -m deployments.probe URL, or FILE SECONDS")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
