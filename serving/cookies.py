"""A browser's sign-in: the API key in a cookie, and what a request with it must show before it may change a thing."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from sluice.request_errors import RequestCrossSiteError

Headers = Sequence[tuple[bytes, bytes]]

COOKIE = "sluice_key"
# RFC 9110, section 9.2.1: whoever sends these asks for nothing to be changed.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_NAME = COOKIE.encode()
_DEFAULT_PORTS = {"http": 80, "https": 443}


def key_in(cookies: bytes) -> bytes | None:
    """The key in the header ``Cookie``; None where there is none."""
    for part in cookies.split(b";"):
        name, _, value = part.strip().partition(b"=")
        if name == _NAME:
            return value
    return None


def check_same_origin(headers: Headers) -> None:
    """The cookie goes with every request of the browser, whichever page made it send one: this tells ours.

    Sec-Fetch-Site is the browser's own word, and is there in all browsers of today where the address is https or this
    machine. Elsewhere Origin has to name the host that the request was sent to.

    Raises:
        RequestCrossSiteError: it came from a page of somebody else, or does not say where from.
    """
    site = origin = host = None
    for name, value in headers:
        if name == b"sec-fetch-site":
            site = value
        elif name == b"origin":
            origin = value
        elif name == b"host":
            host = value
    if site is not None:
        if site != b"same-origin":
            raise RequestCrossSiteError(header="Sec-Fetch-Site", value=site.decode("latin-1"))
    elif origin is None or host is None or not _names(origin.decode("latin-1"), host.decode("latin-1")):
        raise RequestCrossSiteError(header="Origin", value=(origin or b"").decode("latin-1"))


def _names(origin: str, host: str) -> bool:
    try:
        one, other = urlsplit(origin), urlsplit(f"//{host}")
        default = _DEFAULT_PORTS.get(one.scheme)
        # A proxy that ends TLS passes the name on and not the scheme.
        return (one.hostname, one.port or default) == (other.hostname, other.port or default) and bool(one.hostname)
    except ValueError:
        return False
