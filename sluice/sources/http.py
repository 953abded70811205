"""An HTTP API that answers JSON, JSON lines or CSV."""

import hashlib
import json
import uuid
from collections.abc import Iterator
from typing import Any, BinaryIO, Literal, Self, cast

import polars as pl
from pydantic import Field, field_validator, model_validator

from sluice.errors import SourceInvalidError
from sluice.sources.access import Access
from sluice.sources.address import checked_address, origin, shown
from sluice.sources.answer import Answer
from sluice.sources.auth import AuthOptions
from sluice.sources.delimited import Delimited
from sluice.sources.json_lines import read_json_lines
from sluice.sources.newest import Newest, SinceOptions
from sluice.sources.options import Options
from sluice.sources.paging import Paging, Records, at, with_params
from sluice.sources.records import to_frame
from sluice.sources.source import BaseSource, Malformed
from sluice.sources.unclosed import Unclosed
from sluice.sources.walk import Page, Trail, Walk, unchanged
from sluice.sources.watermark import decode, encode, identity
from sluice.sources.web import Bounds, Web

_BATCH = 10_000
USER_AGENT = "sluice/0.1 (data ingest)"


class HttpOptions(Options):
    url: str
    format: Literal["json", "jsonl", "csv"] = "json"
    records: str = Field(
        "", description="where the list of records is in the JSON, such as data.items; empty: it is all"
    )
    params: dict[str, str | int | float | bool] = Field(default_factory=dict, description="of the first request")
    headers: dict[str, str] = Field(default_factory=dict, description="for every request; secrets belong into auth")
    paging: Paging | None = None
    since: SinceOptions | None = Field(None, description="ask only for what is newer than the last reading")
    auth: AuthOptions | None = None
    separator: str = Field(",", pattern=r'^[^"\r\n]$', description="of CSV")
    hosts: tuple[str, ...] = Field((), description="other hosts that it may redirect to; never with credentials")
    rate: float = Field(10, gt=0, description="requests a second at most")
    timeout: float = Field(30, gt=0, description="seconds without a byte")
    attempts: int = Field(5, ge=1, le=20, description="tries of one request, with growing pauses")
    longest_wait: float = Field(120, ge=0, description="seconds that a Retry-After may ask for")
    max_pages: int = Field(1_000, ge=1, description="more are an error, not an end")
    max_bytes: int = Field(64 << 20, ge=1, description="of one answer, decompressed")
    user_agent: str = USER_AGENT

    _address = field_validator("url")(checked_address)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.format != "json" and (self.records or self.since):
            raise ValueError("records and since are for format: json")
        if self.format != "json" and self.paging is not None and self.paging.by != "link":
            raise ValueError(f"format: {self.format} can be paged by link only")
        secret = {"authorization", "cookie", "x-api-key", "proxy-authorization"} & {
            name.lower() for name in self.headers
        }
        if secret:
            raise ValueError(f"the header {secret.pop()} is a secret: use auth, and set its value in the environment")
        return self


class HttpSource(BaseSource):
    """Pages of records.

    With ``since`` the watermark is the newest value of a field; else it is the trail of pages with their ETags and
    digests, so that only pages which changed are read again.
    """

    def __init__(self, options: HttpOptions, access: Access) -> None:
        super().__init__()
        self._options = options
        self._credentials = options.auth.headers(access) if options.auth else {}
        asked = options.model_dump(mode="json", include={"url", "params", "records", "format", "paging", "since"})
        self._identity = identity("http", **asked)

    def fingerprint(self, since: str | None = None) -> str:
        """Stays the same while every page that the watermark knows is unchanged, or nothing newer is there."""
        state = decode(self._identity, since)
        with self._web() as web:
            if self._options.since is not None:
                newest = Newest(self._options.since, state)
                with web.get(self._first(newest)) as answer:
                    document, records = self._json(answer)
                    more = state is None or newest.unseen(records) or self._following(answer, document, records)
                return uuid.uuid4().hex if more else f"http-{newest.digest}"
            trail = Trail.from_state(state)
            if trail.whole and unchanged(web, trail, self._page):
                return f"http-{hashlib.sha256(trail.digest.encode()).hexdigest()[:16]}"
            if self._options.paging is None:
                with web.get(self._first(None)) as answer:
                    digest = self._page(answer).digest
                return f"http-{hashlib.sha256(digest.encode()).hexdigest()[:16]}"
        return uuid.uuid4().hex

    def read(self, since: str | None) -> Iterator[pl.DataFrame]:
        state = decode(self._identity, since)
        newest = Newest(self._options.since, state) if self._options.since is not None else None
        before = Trail() if newest else Trail.from_state(state)

        def parse(answer: Answer) -> Page:
            return self._page(answer, newest)

        with self._web() as web:
            walk = Walk(web, self._first(newest), before, parse, max_pages=self._options.max_pages, strict=True)
            yield from walk.frames()
        self.watermark = encode(self._identity, newest.state if newest else walk.trail.state)

    def _web(self) -> Web:
        options = self._options
        return Web(
            options.url,
            Bounds(options.timeout, options.attempts, options.longest_wait, 1 / options.rate, options.max_bytes),
            headers={"user-agent": options.user_agent, **options.headers},
            credentials=self._credentials,
            hosts=options.hosts,
        )

    def _first(self, newest: Newest | None) -> str:
        params = self._options.params | (newest.params if newest else {})
        url = with_params(self._options.url, params) if params else self._options.url
        return self._options.paging.first(url) if self._options.paging else url

    def _page(self, answer: Answer, newest: Newest | None = None) -> Page:
        if self._options.format != "json":
            return Page(answer.digest, self._following(answer, None, []), self._lines(answer))
        document, records = self._json(answer)
        following = self._following(answer, document, records)
        digest = hashlib.sha256(json.dumps([records, following], sort_keys=True).encode()).hexdigest()[:16]
        return Page(digest, following, self._frames(shown(answer.url), records, newest))

    def _frames(self, where: str, found: Records, newest: Newest | None) -> Iterator[pl.DataFrame]:
        records = [record for record in found if isinstance(record, dict)]
        for record in found:
            if not isinstance(record, dict):
                reason = f"a JSON {type(record).__name__} and not an object"
                self.malformed.append(Malformed(where, None, json.dumps(record)[:_BATCH], reason))
        kept = newest.take(records) if newest else records
        for start in range(0, len(kept), _BATCH):
            yield to_frame(kept[start : start + _BATCH])

    def _following(self, answer: Answer, document: Any, records: Records) -> str | None:
        paging = self._options.paging
        following = paging.following(answer, document, records) if paging else None
        if following is not None and origin(following) not in {origin(answer.url), origin(self._options.url)}:
            problem = f"its next page is on another host, {shown(following)}"
            hint = "Credentials are not sent there and it is not followed; set source.url to that host if it is yours."
            raise SourceInvalidError(source=shown(answer.url), problem=problem, hint=hint)
        return following

    def _json(self, answer: Answer) -> tuple[Any, Records]:
        """The document, and the list of records in it."""
        where, path = shown(answer.url), self._options.records
        try:
            document = json.loads(answer.content())
        except (ValueError, RecursionError) as error:
            hint = "Does source.url give JSON? For CSV or JSON lines set source.format."
            raise SourceInvalidError(source=where, problem=f"its answer is no JSON ({error})", hint=hint) from None
        found = at(document, path)
        if not isinstance(found, list):
            keys = f"; it has {', '.join(sorted(map(str, document))[:20])}" if isinstance(document, dict) else ""
            hint = f"Set source.records to the path of the list{keys}."
            problem = f"there is no list of records at {path!r}" if path else "the answer is no list of records"
            raise SourceInvalidError(source=where, problem=problem, hint=hint)
        return document, found

    def _lines(self, answer: Answer) -> Iterator[pl.DataFrame]:
        assert answer.body is not None
        body = answer.body

        def open() -> BinaryIO:
            return cast("BinaryIO", Unclosed(body))

        if self._options.format == "csv":
            yield from Delimited(self._options.separator).read(shown(answer.url), open, self.malformed)
        else:
            yield from read_json_lines(shown(answer.url), open, self.malformed)
