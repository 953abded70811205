"""How an API says where its next page is."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import httpx
from pydantic import Field

from sluice.sources.answer import Answer
from sluice.sources.options import Options

Records = list[dict[str, Any]]


class LinkPaging(Options):
    """By the header ``Link: <…>; rel="next"`` (RFC 8288)."""

    by: Literal["link"]

    def first(self, url: str) -> str:
        return url

    def following(self, answer: Answer, document: Any, records: Records) -> str | None:
        return answer.next_link


class UrlPaging(Options):
    """By an address in the body."""

    by: Literal["url"]
    path: str = Field("next", description="where the address is, such as links.next")

    def first(self, url: str) -> str:
        return url

    def following(self, answer: Answer, document: Any, records: Records) -> str | None:
        found = at(document, self.path)
        return str(httpx.URL(answer.url).join(str(found))) if found else None


class CursorPaging(Options):
    """By a value in the body that the next request sends back."""

    by: Literal["cursor"]
    path: str = Field(description="where the cursor is, such as meta.next_cursor")
    param: str = Field("cursor", description="the parameter it is sent as")

    def first(self, url: str) -> str:
        return url

    def following(self, answer: Answer, document: Any, records: Records) -> str | None:
        found = at(document, self.path)
        return with_params(answer.url, {self.param: found}) if found not in (None, "", False) else None


class OffsetPaging(Options):
    """By the number of records to skip; a page with fewer than ``limit`` is the last."""

    by: Literal["offset"]
    param: str = "offset"
    limit_param: str = "limit"
    limit: int = Field(100, ge=1)
    start: int = 0

    def first(self, url: str) -> str:
        return with_params(url, {self.param: self.start, self.limit_param: self.limit})

    def following(self, answer: Answer, document: Any, records: Records) -> str | None:
        if len(records) < self.limit:
            return None
        skipped = int(httpx.URL(answer.url).params.get(self.param, self.start))
        return with_params(answer.url, {self.param: skipped + len(records)})


class PagePaging(Options):
    """By the number of the page; one without records is the last."""

    by: Literal["page"]
    param: str = "page"
    start: int = 1

    def first(self, url: str) -> str:
        return with_params(url, {self.param: self.start})

    def following(self, answer: Answer, document: Any, records: Records) -> str | None:
        if not records:
            return None
        return with_params(answer.url, {self.param: int(httpx.URL(answer.url).params.get(self.param, self.start)) + 1})


Paging = Annotated[LinkPaging | UrlPaging | CursorPaging | OffsetPaging | PagePaging, Field(discriminator="by")]


def at(document: Any, path: str) -> Any:
    """What is at a dotted path of keys and list positions; None when there is no such thing."""
    for part in path.split(".") if path else ():
        if isinstance(document, Mapping):
            document = document.get(part)
        elif isinstance(document, list) and part.isdigit() and int(part) < len(document):
            document = document[int(part)]
        else:
            return None
    return document


def with_params(url: str, params: Mapping[str, Any]) -> str:
    """The address with these parameters set, and its others kept."""
    return str(httpx.URL(url).copy_merge_params({name: str(value) for name, value in params.items()}))
