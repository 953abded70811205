"""Signing in: an API key becomes a cookie of the browser, and goes again."""

import re
from urllib.parse import parse_qs

from serving.access import NOBODY, Access, Caller
from serving.console.policy import HOME
from serving.cookies import COOKIE, Headers, key_in
from sluice.errors import SluiceError
from sluice.request_errors import ApiKeyRefusedError

# A key has less than a hundred characters; this is room for `next`.
LONGEST_FORM = 8_192
# Only pages of ours, so that no link to the sign-in leads anywhere else.
_LOCAL = re.compile(r"/(console|docs)([/?][!#-\[\]-~]*)?")
_ATTRIBUTES = "; Path=/; HttpOnly; SameSite=Strict"


def local_path(text: str) -> str:
    """Where to go on after signing in: ``text`` if it is a page of ours, else the first page."""
    return text if _LOCAL.fullmatch(text) else HOME


def read_form(body: bytes) -> dict[str, str]:
    """The fields of a form, the first of each name; none where it is no form."""
    if len(body) > LONGEST_FORM:
        return {}
    try:
        fields = parse_qs(body.decode("latin-1"), keep_blank_values=True, max_num_fields=10)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}


def caller_of(access: Access, key: str) -> Caller:
    """Who holds the key that somebody typed.

    Raises:
        ApiKeyRefusedError: it is wrong, has expired or was revoked.
        ApiKeysUnknownError: nobody can tell yet.
    """
    return access.authenticate(None, key.strip().encode("utf-8", "replace"))


def visitor_of(access: Access, headers: Headers) -> Caller:
    """Who is signed in already; `NOBODY` where nobody is."""
    cookies = b";".join(value for name, value in headers if name == b"cookie")
    key = key_in(cookies)
    if not key:
        return NOBODY
    try:
        return access.authenticate(None, key)
    except SluiceError:
        return NOBODY


def cookie(key: str, secure: bool) -> str:
    """``Set-Cookie`` for a key that was let in: until the browser ends, out of scripts' reach, for our pages only.

    Raises:
        ApiKeyRefusedError: it has characters that no key has.
    """
    text = key.strip()
    if not re.fullmatch(r"[A-Za-z0-9_]+", text):
        raise ApiKeyRefusedError(challenge="")
    return f"{COOKIE}={text}{_ATTRIBUTES}{'; Secure' if secure else ''}"


def no_cookie(secure: bool) -> str:
    """``Set-Cookie`` that signs out."""
    return f"{COOKIE}={_ATTRIBUTES}; Max-Age=0{'; Secure' if secure else ''}"
