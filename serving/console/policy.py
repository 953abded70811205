"""What the door knows of the console: the headers of its pages, and where a browser without a key is sent."""

from collections.abc import MutableMapping
from typing import Any
from urllib.parse import quote

from serving.exchange import Answer
from sluice.errors import SluiceError
from sluice.request_errors import ApiKeyMissingError, ApiKeyRefusedError

HOME = "/console"
SIGN_IN = f"{HOME}/login"
# Own files only: no inline script or style, nothing of others, and text is never taken for a program. Pictures in
# artifacts are data. A form of a page that sends no referrer at all would have the origin "null".
CONSOLE_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        b"frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    ),
)


def is_console(path: str) -> bool:
    return path == "/" or path == HOME or path.startswith(f"{HOME}/")


def to_sign_in(error: SluiceError, scope: MutableMapping[str, Any]) -> Answer | None:
    """Where a person without a valid key is sent who opens a page; None for programs, and for other errors."""
    if not isinstance(error, ApiKeyMissingError | ApiKeyRefusedError) or scope["method"] not in {"GET", "HEAD"}:
        return None
    if not is_console(scope["path"]):
        return None
    accepted = [value for name, value in scope["headers"] if name == b"accept"]
    if not any(b"text/html" in value for value in accepted):
        return None
    query = scope["query_string"].decode("latin-1")
    wanted = scope["path"] + (f"?{query}" if query else "")
    address = f"{SIGN_IN}?next={quote(wanted, safe='')}"
    return Answer(303, b"", ((b"location", address.encode("ascii")), (b"cache-control", b"no-store"), *CONSOLE_HEADERS))
