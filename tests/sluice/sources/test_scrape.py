"""Scraping pages, on a real web server."""

from collections.abc import Iterator
from typing import Any

import pytest
from loguru import logger

from sluice.errors import SourceInvalidError, SourceUnavailableError
from sluice.settings import Settings
from sluice.sources import Source, open_source
from tests.website import Reply, Website, in_turn

FIELDS = {"name": "h2", "price": ".price::text", "link": "a::attr(href)"}


def shop(site: Website, path: str = "/shop/1", **options: Any) -> Source:
    config = {
        "kind": "scrape", "url": site.url + path, "rows": "li.product", "fields": FIELDS,
        "next": "a[rel=next]", "delay": 0, **options,
    }  # fmt: skip
    return open_source(config, use_case="shop", settings=Settings())


def html(number: int, *, following: str | None = None, price: str = "3.50", noise: str = "") -> str:
    items = "".join(
        f"<li class=product><h2> Thing\n <b>{number}-{n}</b></h2><a href=/thing/{number}/{n}>more</a>"
        + (f"<span class=price>{price}</span>" if n else "")
        for n in range(2)
    )
    link = f'<a rel="next" href="{following}">next</a>' if following else ""
    return f"<html><body>{noise}<ul>{items}</ul>{link}</body></html>"


@pytest.fixture
def pages(site: Website) -> Website:
    """Three pages, each with a link to the next: relative, absolute."""
    site.routes["/shop/1"] = Reply(html(1, following="2"), headers={"Content-Type": "text/html"})
    site.routes["/shop/2"] = Reply(html(2, following=f"{site.url}/shop/3#top"), headers={"ETag": '"2"'})
    site.routes["/shop/3"] = Reply(html(3))
    return site


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    said: list[str] = []
    handler = logger.add(said.append, level="WARNING", format="{message}")
    yield said
    logger.remove(handler)


def names(source: Source, since: str | None = None) -> list[str]:
    return [name for frame in source.read(since) for name in frame["name"]]


ALL = [f"Thing {page}-{n}" for page in (1, 2, 3) for n in range(2)]


def test_pages_become_rows_along_their_next_links(pages: Website) -> None:
    """Text with its blanks put in order, attributes, null for what an element does not have, and the page."""
    source = shop(pages)
    rows = [row for frame in source.read(None) for row in frame.to_dicts()]
    assert [row["name"] for row in rows] == ALL
    assert rows[0] == {"name": "Thing 1-0", "price": None, "link": "/thing/1/0", "page": f"{pages.url}/shop/1"}
    assert rows[1]["price"] == "3.50"
    assert pages.paths() == ["/robots.txt", "/shop/1", "/shop/2", "/shop/3"]
    assert {request.headers["user-agent"] for request in pages.requests} == {"sluice/0.1 (data ingest)"}


def test_a_second_run_gives_nothing_and_a_changed_page_alone(pages: Website) -> None:
    """By ETag, and where there is none, by the rows: other things on a page may change all the time."""
    source = shop(pages)
    assert names(source) == ALL
    fingerprint = shop(pages).fingerprint(source.watermark)
    pages.routes["/shop/1"] = Reply(html(1, following="2", noise="<p>it is now 12:01</p>"))
    assert shop(pages).fingerprint(source.watermark) == fingerprint
    assert names(shop(pages), source.watermark) == []
    pages.routes["/shop/3"] = Reply(html(3, price="4.00"))
    assert shop(pages).fingerprint(source.watermark) != fingerprint
    assert names(shop(pages), source.watermark) == ["Thing 3-0", "Thing 3-1"]


def test_a_new_page_at_the_end_is_found(pages: Website) -> None:
    """The last page links further now, so it has changed."""
    source = shop(pages)
    names(source)
    pages.routes["/shop/3"] = Reply(html(3, following="4"))
    pages.routes["/shop/4"] = Reply(html(4))
    again = shop(pages)
    assert names(again, source.watermark) == ["Thing 3-0", "Thing 3-1", "Thing 4-0", "Thing 4-1"]
    assert names(shop(pages), again.watermark) == []


def test_a_page_that_robots_txt_forbids_is_not_asked_for(pages: Website, warnings: list[str]) -> None:
    """Those before it are read, and the log says what was left out."""
    pages.routes["/robots.txt"] = Reply("User-agent: *\nDisallow: /shop/3\n")
    source = shop(pages)
    assert names(source) == ALL[:4]
    assert "/shop/3" not in pages.paths()
    assert f"{pages.url}/shop/3" in warnings[0]
    assert "robots.txt forbids" in warnings[0]
    again = shop(pages)
    assert again.fingerprint(source.watermark) == again.fingerprint(source.watermark)
    assert names(again, source.watermark) == []


def test_rules_for_this_robot_count_before_those_for_all(pages: Website) -> None:
    """Its first page is forbidden to it, by its name: an error, not an empty table."""
    pages.routes["/robots.txt"] = Reply("User-agent: sluice\nDisallow: /shop\n\nUser-agent: *\nAllow: /\n")
    with pytest.raises(SourceInvalidError, match=r"robots\.txt forbids"):
        names(shop(pages))
    assert pages.paths() == ["/robots.txt"]


def test_a_redirect_does_not_lead_around_robots_txt(pages: Website) -> None:
    """The address it leads to is asked about as well."""
    pages.routes["/robots.txt"] = Reply("User-agent: *\nDisallow: /secret\n")
    pages.routes["/shop/1"] = Reply(status=302, headers={"Location": "/secret/1"})
    with pytest.raises(SourceInvalidError, match=r"forbids .*secret"):
        names(shop(pages))
    assert "/secret/1" not in pages.paths()


def test_a_site_whose_robots_txt_fails_is_left_alone(pages: Website) -> None:
    """RFC 9309: as long as nobody knows, everything is forbidden."""
    pages.routes["/robots.txt"] = Reply(status=500)
    with pytest.raises(SourceUnavailableError, match=r"robots\.txt.*500"):
        names(shop(pages, attempts=2))
    assert set(pages.paths()) == {"/robots.txt"}


def test_it_waits_as_long_as_the_site_asks(pages: Website, impatient: list[float]) -> None:
    """The longer one of its own delay and the Crawl-delay."""
    pages.routes["/robots.txt"] = Reply("User-agent: *\nCrawl-delay: 3\n")
    assert names(shop(pages, delay=1)) == ALL
    assert len(impatient) == 3
    assert all(2 < pause <= 3 for pause in impatient)


def test_it_follows_no_more_links_than_it_may(pages: Website, warnings: list[str]) -> None:
    """The bound is part of the configuration, so this is an end; the log says so."""
    source = shop(pages, max_pages=2)
    assert names(source) == ALL[:4]
    assert "more than 2 pages" in warnings[0]
    assert names(shop(pages, max_pages=2), source.watermark) == []


@pytest.mark.parametrize(
    "link", ["http://127.0.0.2:1/shop/2", "https://127.0.0.1/shop/2", "javascript:alert(1)", "http://[", "mailto:x@y"]
)
def test_it_stays_on_the_host(pages: Website, warnings: list[str], link: str) -> None:
    """Another host, another scheme or no address at all ends the walk, with a warning."""
    pages.routes["/shop/1"] = Reply(html(1, following=link))
    assert names(shop(pages)) == ALL[:2]
    assert pages.paths() == ["/robots.txt", "/shop/1"]
    assert warnings


def test_a_changed_layout_is_an_error_and_not_an_empty_table(pages: Website) -> None:
    """Nothing matches on the first page; a shop that may be empty says so."""
    pages.routes["/shop/1"] = Reply("<html><body><div>New design!</div></body></html>")
    with pytest.raises(SourceInvalidError, match=r"no element of it matches 'li\.product'.*source\.rows"):
        names(shop(pages))
    assert names(shop(pages, allow_empty=True)) == []


def test_a_busy_site_is_waited_for(pages: Website, impatient: list[float]) -> None:
    """429 and 503, then the page."""
    good = pages.routes["/shop/2"]
    assert isinstance(good, Reply)
    pages.routes["/shop/2"] = in_turn(Reply(status=429, headers={"Retry-After": "5"}), Reply(status=503), good)
    assert names(shop(pages)) == ALL
    assert 5 in impatient


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("<meta charset=latin-1><li class=product><h2>Café".encode("latin-1"), "text/html"),
        ("<li class=product><h2>Café".encode("cp1252"), "text/html; charset=windows-1252"),
        ("<li class=product><h2>Café".encode(), "text/html; charset=utf-8"),
    ],
)
def test_text_comes_in_the_encoding_the_page_says(site: Website, body: bytes, content_type: str) -> None:
    """By its header or its meta element, and half of a page is a page."""
    site.routes["/shop/1"] = Reply(body, headers={"Content-Type": content_type})
    assert names(shop(site)) == ["Café"]
