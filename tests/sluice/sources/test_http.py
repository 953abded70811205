"""HTTP APIs, on a real web server."""

import json
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from sluice.errors import SourceInvalidError, SourceUnavailableError
from sluice.settings import Settings
from sluice.sources import Source, open_source
from tests.website import Reply, Request, Website, in_turn, website

RECORDS = [{"id": n, "name": f"order {n}"} for n in range(25)]
IDS = list(range(25))
TOKEN = "s3cret-t0ken"


def api(site: Website, path: str = "/orders", settings: Settings | None = None, **options: Any) -> Source:
    config = {"kind": "http", "url": site.url + path, "rate": 1000, **options}
    return open_source(config, use_case="shop", settings=settings or Settings())


def ids(source: Source, since: str | None = None) -> list[Any]:
    return [row["id"] for frame in source.read(since) for row in frame.to_dicts()]


def page(site: Website, number: int, size: int = 10) -> tuple[list[dict[str, Any]], str | None]:
    """The records of a page, and the address of the next."""
    found = RECORDS[number * size : (number + 1) * size]
    return found, f"{site.url}/orders?page={number + 1}" if (number + 1) * size < len(RECORDS) else None


def by_link(site: Website, **headers: str) -> Callable[[Request], Reply]:
    def answer(request: Request) -> Reply:
        found, following = page(site, int(request.params.get("page", 0)))
        link = {"Link": f'<{following}>; rel="next", <{site.url}/>; rel="first"'} if following else {}
        extra = {name: f"{value}-{request.params.get('page', 0)}" for name, value in headers.items()}
        return Reply(json.dumps(found), headers={**link, **extra})

    return answer


def by_url(request: Request, site: Website) -> Reply:
    found, following = page(site, int(request.params.get("page", 0)))
    return Reply(json.dumps({"data": {"items": found}, "links": {"next": following}}))


def by_cursor(request: Request) -> Reply:
    start = int(request.params.get("cursor", 0))
    more = start + 10 if start + 10 < 25 else None
    return Reply(json.dumps({"data": {"items": RECORDS[start : start + 10]}, "meta": {"cursor": more}}))


def by_offset(request: Request) -> Reply:
    start, limit = int(request.params["offset"]), int(request.params["limit"])
    return Reply(json.dumps({"data": {"items": RECORDS[start : start + limit]}}))


def by_page(request: Request) -> Reply:
    start = (int(request.params["page"]) - 1) * 10
    return Reply(json.dumps({"data": {"items": RECORDS[start : start + 10]}}))


@pytest.mark.parametrize(
    ("answer", "options"),
    [
        ("link", {"paging": {"by": "link"}}),
        ("url", {"paging": {"by": "url", "path": "links.next"}, "records": "data.items"}),
        ("cursor", {"paging": {"by": "cursor", "path": "meta.cursor"}, "records": "data.items"}),
        ("offset", {"paging": {"by": "offset", "limit": 10}, "records": "data.items"}),
        ("offset", {"paging": {"by": "offset", "limit": 5}, "records": "data.items"}),
        ("page", {"paging": {"by": "page"}, "records": "data.items"}),
    ],
)
def test_every_way_of_paging_gives_every_record_once(site: Website, answer: str, options: dict[str, Any]) -> None:
    """And a second reading gives nothing, because every page is as it was."""
    routes = {
        "link": by_link(site),
        "url": lambda request: by_url(request, site),
        "cursor": by_cursor,
        "offset": by_offset,
        "page": by_page,
    }
    site.routes["/orders"] = routes[answer]
    source = api(site, **options)
    assert ids(source) == IDS
    again = api(site, **options)
    assert ids(again, source.watermark) == []
    assert again.fingerprint(source.watermark) == again.fingerprint(again.watermark)


@pytest.mark.parametrize("header", ["ETag", "Last-Modified"])
def test_unchanged_pages_are_not_sent_again(site: Website, header: str) -> None:
    """304 for every page: nothing new, and the fingerprint stays; one changed page is read alone."""
    site.routes["/orders"] = by_link(site, **{header: "v1"})
    paging = {"paging": {"by": "link"}}
    source = api(site, **paging)
    assert ids(source) == IDS
    fingerprint = api(site, **paging).fingerprint(source.watermark)
    assert api(site, **paging).fingerprint(source.watermark) == fingerprint

    RECORDS.append({"id": 99, "name": "late"})
    try:
        changed = by_link(site, **{header: "v1"})
        site.routes["/orders"] = lambda request: (
            by_link(site, **{header: "v2"})(request) if request.params.get("page") == "2" else changed(request)
        )
        again = api(site, **paging)
        assert again.fingerprint(source.watermark) != fingerprint
        assert ids(again, source.watermark) == [20, 21, 22, 23, 24, 99]
    finally:
        RECORDS.pop()


def test_a_changed_body_without_validators_is_noticed_by_its_content(site: Website) -> None:
    """No ETag: the records say whether anything is new, whatever else the answer says."""
    site.routes["/orders"] = in_turn(
        *(Reply(json.dumps({"at": n, "items": RECORDS[:3]})) for n in range(3)),
        Reply(json.dumps({"at": 4, "items": RECORDS[:4]})),
    )
    source = api(site, records="items")
    first = source.fingerprint()
    assert ids(source) == [0, 1, 2]
    assert api(site, records="items").fingerprint(source.watermark) == first
    assert api(site, records="items").fingerprint(source.watermark) != first
    assert ids(api(site, records="items"), source.watermark) == [0, 1, 2, 3]


def test_only_what_is_newer_is_asked_for(site: Website) -> None:
    """With `since`: the watermark is a parameter, ties at it are neither lost nor taken twice."""
    stored = [{"id": n, "at": f"2026-11-2{n}"} for n in range(3)]

    def answer(request: Request) -> Reply:
        return Reply(json.dumps([one for one in stored if one["at"] >= request.params.get("after", "")]))

    site.routes["/orders"] = answer
    options = {"since": {"param": "after", "field": "at", "start": "2026-11-21"}}
    first = api(site, **options)
    assert ids(first) == [1, 2]
    stored.append({"id": 7, "at": "2026-11-22"})
    second = api(site, **options)
    assert ids(second, first.watermark) == [7]
    fingerprint = api(site, **options).fingerprint(second.watermark)
    assert site.requests[-1].params["after"] == "2026-11-22"
    assert ids(api(site, **options), second.watermark) == []
    assert api(site, **options).fingerprint(second.watermark) == fingerprint
    stored.append({"id": 8, "at": "2026-11-23"})
    assert api(site, **options).fingerprint(second.watermark) != fingerprint


@pytest.mark.parametrize(
    ("format", "body"),
    [("csv", "id,name\n0,a\nbroken\n1,b\n"), ("jsonl", '{"id": "0"}\nbroken\n{"id": "1"}\n')],
)
def test_csv_and_json_lines_come_like_files(site: Website, format: str, body: str) -> None:
    """Line by line, and a malformed line is kept with its address."""
    site.routes["/orders"] = Reply(body, headers={"ETag": '"1"'})
    source = api(site, format=format)
    assert ids(source) == ["0", "1"]
    assert [(one.where, one.text) for one in source.malformed] == [(f"{site.url}/orders", "broken")]
    assert ids(api(site, format=format), source.watermark) == []


def test_records_that_are_no_objects_are_malformed(site: Website) -> None:
    """The others are read."""
    site.routes["/orders"] = Reply('[{"id": 1}, 17, {"id": 2}]')
    source = api(site)
    assert ids(source) == [1, 2]
    assert [one.text for one in source.malformed] == ["17"]


def test_too_many_requests_is_waited_for_as_long_as_the_server_says(site: Website, impatient: list[float]) -> None:
    """Retry-After in seconds and as a date, then the answer."""
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    site.routes["/orders"] = in_turn(
        Reply(status=429, headers={"Retry-After": "7"}),
        Reply(status=503, headers={"Retry-After": moment}),
        Reply(json.dumps(RECORDS)),
    )
    assert ids(api(site)) == IDS
    waits = [seconds for seconds in impatient if seconds > 1]
    assert waits[0] == 7
    assert 50 < waits[1] <= 60


def test_a_wait_that_is_too_long_is_not_waited_for(site: Website) -> None:
    """The run ends and says how long the server wants."""
    site.routes["/orders"] = Reply(status=429, headers={"Retry-After": "3600"})
    with pytest.raises(SourceUnavailableError, match="asks to wait 3600 s"):
        ids(api(site))
    assert len(site.requests) == 1


def test_every_third_request_may_fail(site: Website) -> None:
    """Pages of which each third request answers 500: all records, each once."""
    good = by_link(site)
    site.routes["/orders"] = lambda request: Reply(status=500) if len(site.requests) % 3 == 0 else good(request)
    assert ids(api(site, paging={"by": "link"})) == IDS


def test_a_server_that_stays_broken_is_given_up(site: Website) -> None:
    """After the tries that are configured, with the status, and without the query in the message."""
    site.routes["/orders"] = Reply(status=502)
    source = api(site, attempts=3, params={"key": "hidden"})
    with pytest.raises(SourceUnavailableError, match=r"/orders cannot be read: it answers 502 Bad Gateway \(3 tries\)"):
        ids(source)
    assert len(site.requests) == 3
    assert source.watermark is None


def test_a_wrong_length_is_no_end(site: Website) -> None:
    """An answer that is cut off is asked for again; if it always is, that is an error."""
    whole = json.dumps(RECORDS)
    site.routes["/orders"] = in_turn(Reply(whole[:50], length=len(whole)), Reply(whole))
    assert ids(api(site)) == IDS
    site.routes["/orders"] = Reply("id\n1\n2\n", length=100)
    with pytest.raises(SourceUnavailableError, match="RemoteProtocolError"):
        ids(api(site, format="csv", attempts=2))


def test_a_server_that_never_answers_is_given_up(settings: Settings) -> None:
    """It takes the connection and says nothing: the timeout counts."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        config = {"kind": "http", "url": f"http://127.0.0.1:{silent.getsockname()[1]}/", "timeout": 0.2, "attempts": 2}
        with pytest.raises(SourceUnavailableError, match=r"ReadTimeout \(2 tries\)"):
            ids(open_source(config, settings=settings))
        assert time.monotonic() - started < 5


def test_a_server_that_drips_is_given_up(settings: Settings) -> None:
    """A byte now and then never runs into the timeout of a read; the whole answer has one too."""
    stop = threading.Event()

    def drip(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not stop.wait(0.02):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=(server,), daemon=True)
        thread.start()
        config = {"kind": "http", "url": f"http://127.0.0.1:{server.getsockname()[1]}/", "timeout": 0.05, "attempts": 1}
        try:
            with pytest.raises(SourceUnavailableError, match="too slowly"):
                ids(open_source(config, settings=settings))
        finally:
            stop.set()
            thread.join(5)


def test_a_redirect_on_the_same_host_is_followed_and_a_loop_is_not(site: Website) -> None:
    """A loop ends after five, saying so."""
    site.routes["/orders"] = Reply(status=302, headers={"Location": "/moved"})
    site.routes["/moved"] = Reply(json.dumps(RECORDS))
    assert ids(api(site)) == IDS
    site.routes["/moved"] = Reply(status=302, headers={"Location": "/orders"})
    with pytest.raises(SourceInvalidError, match="redirects more than 5 times"):
        ids(api(site))


def test_credentials_stay_with_the_host_that_they_are_for(site: Website, tmp_path: Path) -> None:
    """Another host is refused, or when it is allowed, asked without them; a next page elsewhere is not followed."""
    settings = Settings(home=tmp_path, sources={"secrets": {"token": TOKEN}})
    auth = {"auth": {"secret": "token"}}
    with website("127.0.0.2") as other:
        other.routes["/orders"] = Reply(json.dumps(RECORDS))
        site.routes["/orders"] = Reply(status=307, headers={"Location": f"{other.url}/orders"})
        with pytest.raises(SourceInvalidError, match=r"redirects to another host, 127\.0\.0\.2.*source\.hosts"):
            ids(api(site, settings=settings, **auth))
        assert other.requests == []
        assert ids(api(site, settings=settings, hosts=["127.0.0.2"], **auth)) == IDS
        assert "authorization" not in other.requests[0].headers

        site.routes["/orders"] = Reply(json.dumps(RECORDS), headers={"Link": f'<{other.url}/orders>; rel="next"'})
        with pytest.raises(SourceInvalidError, match="next page is on another host"):
            ids(api(site, settings=settings, paging={"by": "link"}, hosts=["127.0.0.2"], **auth))
        assert len(other.requests) == 1
    assert {request.headers["authorization"] for request in site.requests} == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        ({"secret": "token"}, "authorization", f"Bearer {TOKEN}"),
        ({"secret": "token", "scheme": "basic", "user": "me"}, "authorization", "Basic bWU6czNjcmV0LXQwa2Vu"),
        ({"secret": "token", "scheme": "header", "header": "X-Api-Key"}, "x-api-key", TOKEN),
    ],
)
def test_it_signs_in_with_a_secret_from_environment_or_file_and_never_shows_it(
    site: Website, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, auth: dict[str, str], header: str, value: str
) -> None:
    """Every scheme; neither errors nor the log nor the object say what it is."""
    said: list[str] = []
    handler = logger.add(said.append, level=0)
    site.routes["/orders"] = lambda request: (
        Reply(json.dumps(RECORDS)) if request.headers.get(header) == value else Reply(TOKEN, status=401)
    )
    (tmp_path / "token").write_text(TOKEN + "\n")
    from_file = api(site, settings=Settings(home=tmp_path, sources={"secrets_folder": tmp_path}), auth=auth)
    assert ids(from_file) == IDS
    monkeypatch.setenv("SLUICE_SOURCES__SECRETS__TOKEN", TOKEN)
    source = api(site, settings=Settings.load(), auth=auth)
    assert ids(source) == IDS
    monkeypatch.setenv("SLUICE_SOURCES__SECRETS__TOKEN", "wrong-" + TOKEN)
    wrong = api(site, settings=Settings.load(), auth=auth)
    with pytest.raises(SourceInvalidError, match=r"401.*source\.auth") as error:
        ids(wrong)
    logger.remove(handler)
    shown = f"{error.value}{error.value!r}{source!r}{Settings.load()!r}{source.watermark}{''.join(said)}"
    assert TOKEN not in shown


def test_an_answer_that_is_too_large_is_stopped(site: Website) -> None:
    """By what comes out of the decompression, not by what is sent."""
    import gzip

    site.routes["/orders"] = Reply(gzip.compress(b" " * 5_000_000), headers={"Content-Encoding": "gzip"})
    with pytest.raises(SourceInvalidError, match=r"larger than 1,000,000 bytes.*source\.max_bytes"):
        ids(api(site, max_bytes=1_000_000))


def test_more_pages_than_allowed_are_an_error_and_not_an_end(site: Website) -> None:
    """Rows would be missing without a word otherwise."""
    site.routes["/orders"] = by_link(site)
    source = api(site, paging={"by": "link"}, max_pages=2)
    with pytest.raises(SourceInvalidError, match=r"more than 2 pages.*source\.max_pages"):
        ids(source)
    assert source.watermark is None


def test_a_next_link_that_leads_back_is_noticed(site: Website) -> None:
    """Pages that go round would never end."""
    site.routes["/orders"] = Reply(json.dumps(RECORDS), headers={"Link": '</orders>; rel="next"'})
    with pytest.raises(SourceInvalidError, match="leads back"):
        ids(api(site, paging={"by": "link"}))


@pytest.mark.parametrize(
    ("body", "options", "said"),
    [
        ("<html>", {}, r"no JSON.*source\.format"),
        ('{"items": []}', {}, "no list of records.*it has items"),
        ('{"data": {"items": 3}}', {"records": "data.items"}, "no list of records at 'data.items'"),
    ],
)
def test_an_answer_of_another_shape_is_explained(site: Website, body: str, options: dict[str, Any], said: str) -> None:
    """What is there, and which key to correct."""
    site.routes["/orders"] = Reply(body)
    with pytest.raises(SourceInvalidError, match=said):
        ids(api(site, **options))


def test_requests_are_not_faster_than_the_rate(site: Website, impatient: list[float]) -> None:
    """Two a second: half a second between the starts of two requests."""
    site.routes["/orders"] = by_link(site)
    assert ids(api(site, paging={"by": "link"}, rate=2)) == IDS
    assert len(impatient) == 2
    assert all(0.3 < pause <= 0.5 for pause in impatient)


def test_it_says_who_it_is(site: Website) -> None:
    """A server's owner can see what asks."""
    site.routes["/orders"] = Reply("[]")
    assert ids(api(site)) == []
    assert site.requests[0].headers["user-agent"].startswith("sluice/")
