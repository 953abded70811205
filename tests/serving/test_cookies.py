"""Where a request with a browser's cookie comes from."""

import pytest

from serving.cookies import check_same_origin, key_in
from sluice.request_errors import RequestCrossSiteError


@pytest.mark.parametrize(
    ("cookies", "key"),
    [
        (b"sluice_key=abc", b"abc"),
        (b"a=1; sluice_key=abc; b=2", b"abc"),
        (b"a=1;sluice_key=abc", b"abc"),
        (b"sluice_key=", b""),
        (b"xsluice_key=abc", None),
        (b"sluice_key", b""),
        (b"", None),
        (b"\xff;=;;", None),
    ],
)
def test_the_key_is_found_among_other_cookies(cookies: bytes, key: bytes | None) -> None:
    """By its whole name; of anything that is no cookie comes nothing."""
    assert key_in(cookies) == key


@pytest.mark.parametrize(
    "headers",
    [
        {b"sec-fetch-site": b"same-origin"},
        {b"origin": b"https://models.example", b"host": b"models.example"},
        {b"origin": b"https://models.example", b"host": b"models.example:443"},
        {b"origin": b"http://models.example:8000", b"host": b"MODELS.example:8000"},
        {b"origin": b"http://[2001:db8::1]:8000", b"host": b"[2001:db8::1]:8000"},
    ],
)
def test_our_own_pages_may_change_something(headers: dict[bytes, bytes]) -> None:
    """By the browser's word, or by the name that both addresses have."""
    check_same_origin(list(headers.items()))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"host": b"models.example"},
        {b"origin": b"null", b"host": b"models.example"},
        {b"origin": b"https://evil.example", b"host": b"models.example"},
        {b"origin": b"https://models.example.evil.example", b"host": b"models.example"},
        {b"origin": b"https://models.example:8443", b"host": b"models.example"},
        {b"origin": b"https://[", b"host": b"models.example"},
        {b"origin": b"https://models.example:x", b"host": b"models.example"},
        {b"origin": b"\xff", b"host": b"\xff"},
        {b"sec-fetch-site": b"same-site"},
        {b"sec-fetch-site": b"none"},
        {b"sec-fetch-site": b"cross-site", b"origin": b"https://models.example", b"host": b"models.example"},
    ],
)
def test_pages_of_others_may_not(headers: dict[bytes, bytes]) -> None:
    """Also of the same machine under another name, and what does not say where it comes from."""
    with pytest.raises(RequestCrossSiteError) as refused:
        check_same_origin(list(headers.items()))
    assert refused.value.status == 403
