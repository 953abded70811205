"""Signing in to a service that asks for keys."""

from collections.abc import Iterator

import pytest
from httpx import Client, Response

from serving.console.sign_in import local_path
from tests.serving.console.conftest import KEY

PAGE = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
OURS = {"sec-fetch-site": "same-origin"}


@pytest.fixture
def client(keyed: str) -> Iterator[Client]:
    """A new browser."""
    with Client(base_url=keyed, timeout=30, trust_env=False) as client:
        yield client


def sign_in(client: Client, key: str = KEY, next: str = "", **headers: str) -> Response:
    return client.post("/console/login", data={"key": key, "next": next}, headers={**OURS, **headers})


def test_a_browser_without_a_key_is_sent_to_sign_in(client: Client) -> None:
    """With where it wanted to go; a program gets 401 and a problem document, and so does who asks for no page."""
    answer = client.get("/console/runs?state=FAILED&use_case=movies", headers=PAGE)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/console/login?next=%2Fconsole%2Fruns%3Fstate%3DFAILED%26use_case%3Dmovies"
    assert client.head("/", headers=PAGE).status_code == 303
    for path, headers in (("/console/runs", {"accept": "*/*"}), ("/runs", PAGE), ("/models", PAGE)):
        refused = client.get(path, headers=headers)
        assert refused.status_code == 401
        assert refused.headers["content-type"] == "application/problem+json"
    assert client.post("/console/runs", headers=PAGE).status_code == 401


def test_a_right_key_becomes_a_cookie_that_scripts_and_other_sites_do_not_get(client: Client) -> None:
    """For this session of the browser, and then on to the page that was wanted."""
    answer = sign_in(client, f" {KEY}\n", "/console/models/movies?x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/models/movies?x=1")
    parts = [part.strip() for part in answer.headers["set-cookie"].split(";")]
    assert parts[0] == f"sluice_key={KEY}"
    assert {part.lower() for part in parts[1:]} == {"path=/", "httponly", "samesite=strict"}
    page = client.get("/console/runs", headers=PAGE)
    assert page.status_code == 200
    assert "bootstrap" in page.text
    assert "Sign out" in page.text
    assert KEY not in page.text
    assert client.get("/models").status_code == 200


@pytest.mark.parametrize("headers", [{"origin": "https://models.example"}, {"origin": "https://127.0.0.1"}])
def test_over_tls_the_cookie_never_goes_without(client: Client, headers: dict[str, str]) -> None:
    """Also where a proxy ends TLS: the page's own address tells."""
    answer = sign_in(client, **headers)
    assert "; Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    "key", ["", "wrong", KEY[:-1] + "0", KEY[:-2], "ключ", KEY + "; Path=/x", "\x00" * 9, "x" * 9000]
)
def test_a_wrong_key_shows_the_form_again(client: Client, key: str) -> None:
    """With a sentence, without a cookie, and without what was typed."""
    answer = sign_in(client, key, "/console/tasks")
    assert answer.status_code == 403
    assert 'role="alert"' in answer.text
    assert "set-cookie" not in answer.headers
    assert len(key) < 9 or key not in answer.text


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"key", b"&" * 500, b"key=%ff%00", b"{}"])
def test_a_form_that_is_none_is_no_error_of_ours(client: Client, body: bytes) -> None:
    """It signs nobody in."""
    headers = {**OURS, "content-type": "application/x-www-form-urlencoded"}
    assert client.post("/console/login", content=body, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "text",
    [
        "//evil.example", "https://evil.example", "/\\evil.example", "/console\\..", "javascript:alert(1)", "", "/runs",
        "/console/../\nx", "/consolex", "/console/\t/evil.example", "console", "/console/ü",
        "/console/runs\r\nSet-Cookie: a=1",
    ],
)  # fmt: skip
def test_signing_in_leads_nowhere_else(text: str) -> None:
    """A link to the sign-in cannot send anybody to a page that looks like ours."""
    assert local_path(text) == "/console"


@pytest.mark.parametrize("text", ["/console", "/console/runs?state=FAILED&since=7d", "/console/models/a%20b", "/docs"])
def test_signing_in_goes_on_where_somebody_wanted_to_go(text: str) -> None:
    """Pages of ours, with their filters."""
    assert local_path(text) == text


def test_the_form_is_taken_from_our_own_page_only(client: Client) -> None:
    """Another site cannot sign somebody in with a key of its own, or out."""
    for path in ("/console/login", "/console/logout"):
        refused = client.post(path, data={"key": KEY}, headers={"sec-fetch-site": "cross-site"})
        assert refused.status_code == 403
        assert "set-cookie" not in refused.headers


def test_what_changes_something_must_come_from_our_pages(client: Client) -> None:
    """The cookie alone does not do: a form on another site would bring it along."""
    sign_in(client)
    asked = {"rows": [{"user_id": 1}]}
    for headers in ({}, {"sec-fetch-site": "same-site"}, {"origin": "https://evil.example"}):
        for path in ("/models/movies/predict", "/feedback", "/models/movies/promote"):
            refused = client.post(path, json=asked, headers=headers)
            assert refused.status_code == 403, path
            assert refused.json()["type"] == "urn:sluice:problem:request-cross-site"
    assert client.post("/models/movies/predict", json=asked, headers=OURS).status_code == 200
    origin = {"origin": str(client.base_url).rstrip("/")}
    assert client.post("/models/movies/predict", json=asked, headers=origin).status_code == 200


def test_signing_out_forgets_the_key(client: Client) -> None:
    """The cookie ends; the next page asks for a key."""
    sign_in(client)
    assert client.get("/console/session").json() == {"caller": "bootstrap"}
    answer = client.post("/console/logout", headers=OURS)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/login")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert client.get("/console/runs", headers=PAGE).status_code == 303
    assert client.get("/console/session").json() == {"caller": None}


def test_a_cookie_that_is_no_key_any_more_asks_for_another(client: Client) -> None:
    """As without one; the sign-in page itself needs none."""
    client.cookies.set("sluice_key", KEY[:-1] + "0")
    assert client.get("/console/runs", headers=PAGE).status_code == 303
    assert client.get("/console/login", headers=PAGE).status_code == 200
    assert client.get("/console/session").json() == {"caller": None}


def test_a_service_that_asks_for_no_keys_has_no_sign_in(console: str) -> None:
    """It leads on; and what another site's page asks for is refused all the same."""
    with Client(base_url=console, timeout=30, trust_env=False) as client:
        answer = client.get("/console/login?next=/console/tasks")
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/tasks")
        assert "Sign out" not in client.get("/console/runs").text
        for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
            for path in ("/console/login", "/console/logout", "/feedback"):
                assert client.post(path, headers=headers).status_code == 403
