"""Requests to a service that asks for no keys, because only this machine reaches it. Its browsers do too.

A web page from anywhere can make the browser of whoever reads it send requests to 127.0.0.1: across sites, which the
headers Origin and Sec-Fetch-Site tell, or under a name of its own that it lets point there (DNS rebinding), which the
Host header tells.
"""

from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from serving.cookies import SAFE_METHODS
from sluice.request_errors import RequestForeignError
from sluice.settings import is_loopback

Headers = Sequence[tuple[bytes, bytes]]


def check_local(headers: Headers, method: str = "POST") -> None:
    """Names of ``headers`` are in lower case, as ASGI gives them.

    Raises:
        RequestForeignError: Host or Origin are not this machine, or another site's page asks for a change.
    """
    across = origin = False
    for name, value in headers:
        if name == b"host" and not _is_local(b"//" + value):
            raise RequestForeignError(header="Host", value=value.decode("latin-1"))
        if name == b"origin":
            origin = True
            if not _is_local(value):
                raise RequestForeignError(header="Origin", value=value.decode("latin-1"))
        elif name == b"sec-fetch-site":
            across = value == b"cross-site"
    # A page of this machine on another port is another site by name (localhost, 127.0.0.1), and says its origin.
    if across and not origin and method not in SAFE_METHODS:
        raise RequestForeignError(header="Sec-Fetch-Site", value="cross-site")


@lru_cache(64)  # the same few for all requests of a service
def _is_local(address: bytes) -> bool:
    try:
        return is_loopback(urlsplit(address.decode("latin-1")).hostname or "")
    except ValueError:
        return False
