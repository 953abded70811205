"""Rows from the pages of a website."""

import hashlib
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import polars as pl
from loguru import logger
from parsel import Selector
from parsel.csstranslator import css2xpath
from pydantic import Field, field_validator
from w3lib.encoding import html_to_unicode
from w3lib.html import get_base_url

from sluice.errors import SourceInvalidError
from sluice.sources.access import Access
from sluice.sources.address import checked_address, origin, shown
from sluice.sources.answer import Answer
from sluice.sources.http import USER_AGENT
from sluice.sources.options import Options
from sluice.sources.robots import PageForbiddenError, Robots
from sluice.sources.source import BaseSource
from sluice.sources.walk import Page, Trail, Walk, unchanged
from sluice.sources.watermark import decode, encode, identity
from sluice.sources.web import Bounds, Web

PAGE = "page"


class ScrapeOptions(Options):
    url: str = Field(description="the first page")
    rows: str = Field(description="CSS selector of what becomes a row, such as li.product")
    fields: dict[str, str] = Field(
        min_length=1,
        description="column: CSS selector inside the row; ::text and ::attr(href) work, alone it is all text",
    )
    next: str | None = Field(None, description="CSS selector of the link to the next page, such as a[rel=next]")
    allow_empty: bool = Field(False, description="a first page without rows is no error")
    max_pages: int = Field(50, ge=1, description="of which the rest is left out")
    delay: float = Field(1.0, ge=0, description="seconds between requests, or more if robots.txt says so")
    user_agent: str = Field(USER_AGENT, min_length=1, description="say who you are and how to reach you")
    timeout: float = Field(30, gt=0, description="seconds without a byte")
    attempts: int = Field(5, ge=1, le=20)
    longest_wait: float = Field(120, ge=0, description="seconds that a Retry-After or a Crawl-delay may ask for")
    max_bytes: int = Field(8 << 20, ge=1, description="of one page, decompressed")

    _address = field_validator("url")(checked_address)

    @field_validator("rows", "next", "fields")
    @classmethod
    def _selectors(cls, value: str | dict[str, str] | None) -> str | dict[str, str] | None:
        for selector in value.values() if isinstance(value, dict) else [value]:
            try:
                css2xpath(selector or "*")
            except Exception as error:
                raise ValueError(f"{selector!r} is no CSS selector ({error})") from None
        return value


class ScrapeSource(BaseSource):
    """Pages along their next links, on the host of the first, with all values as text.

    The watermark is the trail of pages with their ETags and the digests of their rows.
    """

    def __init__(self, options: ScrapeOptions, access: Access) -> None:
        super().__init__()
        self._options = options
        self._identity = identity(
            "scrape", url=options.url, rows=options.rows, fields=options.fields, next=options.next
        )

    def fingerprint(self, since: str | None = None) -> str:
        """Stays the same while the rows of every page that the watermark knows do."""
        trail = Trail.from_state(decode(self._identity, since))
        with self._web() as web:
            if trail.whole and self._unchanged(web, trail):
                return f"scrape-{hashlib.sha256(trail.digest.encode()).hexdigest()[:16]}"
        return uuid.uuid4().hex

    def read(self, since: str | None) -> Iterator[pl.DataFrame]:
        before = Trail.from_state(decode(self._identity, since))
        with self._web() as web:
            walk = Walk(
                web, self._options.url, before, self._page, max_pages=self._options.max_pages, strict=False,
                ends_at=PageForbiddenError,
            )  # fmt: skip
            yield from walk.frames()
        if walk.cut_at is not None:
            logger.warning("{} and what follows is left out: {}", shown(walk.cut_at), walk.cut_why)
        self.watermark = encode(self._identity, walk.trail.state)

    def _unchanged(self, web: Web, trail: Trail) -> bool:
        try:
            return unchanged(web, trail, self._page)
        except PageForbiddenError:
            return False

    @contextmanager
    def _web(self) -> Iterator[Web]:
        options = self._options
        bounds = Bounds(options.timeout, options.attempts, options.longest_wait, options.delay, options.max_bytes)
        with Web(options.url, bounds, headers={"user-agent": options.user_agent, "accept": "text/html"}) as web:
            robots = Robots.read(web, options.url, options.user_agent)
            if robots.delay > options.longest_wait:
                problem = f"robots.txt asks for {robots.delay:g} s between requests"
                hint = "Raise source.longest_wait if you can wait that long."
                raise SourceInvalidError(source=shown(options.url), problem=problem, hint=hint)
            web.interval = max(options.delay, robots.delay)
            web.check = robots.check
            try:
                yield web
            except PageForbiddenError as error:
                hint = "Ask the site's owner, or take another page."
                raise SourceInvalidError(source=shown(options.url), problem=str(error), hint=hint) from None

    def _page(self, answer: Answer) -> Page:
        body = answer.content()
        _, text = html_to_unicode(answer.headers.get("content-type"), body)
        selector = Selector(text=text, type="html", huge_tree=False)
        found = selector.css(self._options.rows)
        if not found and answer.url == self._options.url and not self._options.allow_empty:
            problem = f"no element of it matches {self._options.rows!r}"
            hint = "Its layout may have changed: correct source.rows, or set source.allow_empty if it may be empty."
            raise SourceInvalidError(source=shown(answer.url), problem=problem, hint=hint)
        rows = [{name: _value(row, css) for name, css in self._options.fields.items()} for row in found]
        following = self._following(answer, selector, get_base_url(text, answer.url))
        digest = hashlib.sha256(json.dumps([rows, following]).encode()).hexdigest()[:16]
        schema = dict.fromkeys(self._options.fields, pl.String)
        frame = pl.DataFrame(rows, schema=schema).with_columns(pl.lit(answer.url).alias(PAGE))
        return Page(digest, following, iter([frame] if rows else []))

    def _following(self, answer: Answer, selector: Selector, base: str) -> str | None:
        if self._options.next is None:
            return None
        link = selector.css(self._options.next)
        target = link.attrib.get("href") if "::" not in self._options.next else link.get()
        if not target:
            return None
        try:
            following = str(httpx.URL(base).join(target.strip()).copy_with(fragment=None))
        except httpx.InvalidURL:
            logger.warning("{} has a next link that is no address: {!r}", shown(answer.url), target[:200])
            return None
        if origin(following) != origin(self._options.url):
            logger.warning("{} links to {}, another host: not followed", shown(answer.url), shown(following))
            return None
        return following


def _value(row: Selector, css: str) -> str | None:
    found = row.css(css)
    if not found:
        return None
    text = str(found[0].get()) if "::" in css else " ".join(str(part) for part in found[0].css("*::text").getall())
    return " ".join(text.split()) or None
