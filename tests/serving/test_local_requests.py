"""A service without keys answers this machine, and not the web pages that its browsers show."""

import pytest

from serving.local_requests import check_local
from sluice.request_errors import RequestForeignError


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"host", b"127.0.0.1:8000"), (b"accept", b"*/*")],
        [(b"host", b"127.8.9.10")],
        [(b"host", b"localhost:8000"), (b"origin", b"http://localhost:3000")],
        [(b"host", b"LOCALHOST")],
        [(b"host", b"[::1]:8000"), (b"origin", b"https://127.0.0.1")],
    ],
)
def test_this_machine_is_answered(headers: list[tuple[bytes, bytes]]) -> None:
    """By every name of its own, on any port; a program that sends neither header is no browser."""
    check_local(headers)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Host", b"evil.example:8000"),
        ("Host", b"127.0.0.1.evil.example"),
        ("Host", b"evil.example@127.0.0.1.evil.example"),
        ("Host", b""),
        ("Host", b"[::1"),
        ("Host", b"\xff\x00"),
        ("Host", b"10.0.0.1"),
        ("Host", b"0.0.0.0"),
        ("Origin", b"https://evil.example"),
        ("Origin", b"null"),
        ("Origin", b"file://"),
    ],
)
def test_a_web_page_elsewhere_is_refused(header: str, value: bytes) -> None:
    """A name that somebody lets point here, and a form or script of another site; the answer names the header."""
    with pytest.raises(RequestForeignError, match=f"request's {header} is") as refused:
        check_local([(header.lower().encode(), value)])
    assert "\n" not in str(refused.value)
    assert refused.value.status == 403


def test_a_change_that_another_site_asks_for_is_refused_though_it_hides_its_origin() -> None:
    """The browser tells that it is across sites; what only reads is a link that somebody followed."""
    headers = [(b"host", b"127.0.0.1:8000"), (b"sec-fetch-site", b"cross-site")]
    with pytest.raises(RequestForeignError, match="Sec-Fetch-Site"):
        check_local(headers, "POST")
    check_local(headers, "GET")
    check_local([*headers, (b"origin", b"http://localhost:3000")], "POST")
