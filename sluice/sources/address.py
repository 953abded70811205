"""Web addresses: which place they are at, and how they are shown."""

from typing import Any

import httpx


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port."""
    parsed = httpx.URL(url)
    return parsed.scheme, parsed.host, parsed.port or {"http": 80, "https": 443}.get(parsed.scheme)


def shown(url: str) -> str:
    """The address for a message: without its query, which may hold what is nobody's business."""
    try:
        return str(httpx.URL(url).copy_with(query=None, fragment=None, userinfo=b""))
    except httpx.InvalidURL:
        return "(no valid address)"


def checked_address(url: Any) -> str:
    """For options: an http or https address without a user and password in it."""
    try:
        parsed = httpx.URL(str(url))
    except httpx.InvalidURL as error:
        raise ValueError(f"not a valid address ({error})") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError("an address begins with http:// or https://")
    if parsed.userinfo:
        raise ValueError("no user or password in the address: name a secret in auth")
    return str(url)
