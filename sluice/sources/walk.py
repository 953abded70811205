"""From page to page along next links, over those that did not change since the last time."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from sluice.errors import SluiceError, SourceInvalidError
from sluice.sources.address import shown
from sluice.sources.answer import NOTHING_KNOWN, Answer, Validators
from sluice.sources.web import Web

# What is remembered is part of each version's metadata; pages beyond are read again whenever one before has changed.
_MOST_REMEMBERED = 200


@dataclass(frozen=True)
class Page:
    """What a page holds.

    Attributes:
        digest: of its rows and its link; other things on a page may change all the time.
    """

    digest: str
    next_url: str | None
    frames: Iterator[pl.DataFrame]


@dataclass(frozen=True)
class Visit:
    """A page as it was when it was read."""

    url: str
    digest: str
    etag: str | None = None
    modified: str | None = None


@dataclass(frozen=True)
class Trail:
    """The pages of one reading in their order, as a watermark keeps them.

    Attributes:
        whole: whether all pages are in it.
    """

    visits: tuple[Visit, ...] = ()
    whole: bool = False

    @classmethod
    def from_state(cls, state: dict[str, Any] | None) -> "Trail":
        if state is None or "pages" not in state:
            return cls()
        return cls(tuple(Visit(**page) for page in state["pages"]), bool(state.get("whole")))

    @property
    def state(self) -> dict[str, Any]:
        pages = [{k: v for k, v in asdict(visit).items() if v is not None} for visit in self.visits]
        return {"pages": pages, "whole": self.whole}

    @property
    def digest(self) -> str:
        return "-".join(visit.digest for visit in self.visits)


class Walk:
    """Follows pages from ``first``, asking for those of ``before`` only conditionally.

    Args:
        parse: the page in an answer.
        max_pages: how many at most.
        strict: more pages than that are an error; else the rest is left out, and ``cut_at`` and ``cut_why`` say so.
        ends_at: an error that ends the walk in the same way when a page after the first raises it.
    """

    def __init__(
        self,
        web: Web,
        first: str,
        before: Trail,
        parse: Callable[[Answer], Page],
        *,
        max_pages: int,
        strict: bool,
        ends_at: type[SluiceError] | None = None,
    ) -> None:
        self._web, self._first, self._parse = web, first, parse
        self._before = before.visits
        self._max_pages, self._strict = max_pages, strict
        self.trail = Trail()
        self._ends_at = ends_at
        self.cut_at: str | None = None
        self.cut_why = ""

    def frames(self) -> Iterator[pl.DataFrame]:
        """The rows of new and changed pages. Afterwards ``trail`` says where this has been."""
        visits: list[Visit] = []
        seen: set[str] = set()
        pages = 0
        url: str | None = self._first
        while url is not None:
            if url in seen:
                hint = "Correct source.paging or source.next in use_case.yaml."
                raise SourceInvalidError(source=shown(url), problem="its next link leads back to it", hint=hint)
            if pages >= self._max_pages:
                self._stop(url, f"there are more than {self._max_pages} pages")
                break
            seen.add(url)
            pages += 1
            before = self._before_at(pages - 1, url)
            try:
                visit, url, page = self._visit(url, before, pages)
            except SluiceError as error:
                if self._ends_at is None or not isinstance(error, self._ends_at) or pages == 1:
                    raise
                self.cut_at, self.cut_why = url, str(error)
                break
            if len(visits) < _MOST_REMEMBERED:
                visits.append(visit)
            if page is not None:
                yield from page
        self.trail = Trail(tuple(visits), whole=len(seen) <= _MOST_REMEMBERED)

    def _before_at(self, index: int, url: str) -> Visit | None:
        before = self._before[index] if index < len(self._before) else None
        return before if before is not None and before.url == url else None

    def _visit(
        self, url: str, before: Visit | None, number: int
    ) -> tuple[Visit, str | None, Iterator[pl.DataFrame] | None]:
        """The page as it is now, the next address, and its rows if they are new."""
        # Where the trail ends the next address is only in the body, so that page is asked for without a condition.
        follows = number < len(self._before) or len(self._before) < _MOST_REMEMBERED
        known = Validators(before.etag, before.modified) if before is not None and follows else NOTHING_KNOWN
        answer = self._web.get(url, known)
        if answer.body is None:
            assert before is not None
            return before, self._before[number].url if number < len(self._before) else None, None
        try:
            page = self._parse(answer)
        except BaseException:
            answer.close()
            raise
        visit = Visit(url, page.digest, answer.validators.etag, answer.validators.modified)
        if before is not None and before.digest == visit.digest:
            answer.close()
            return visit, page.next_url, None
        return visit, page.next_url, _closing(answer, page.frames)

    def _stop(self, url: str, why: str) -> None:
        self.cut_at, self.cut_why = url, why
        if self._strict:
            hint = "Raise source.max_pages in use_case.yaml, or ask for larger ones."
            raise SourceInvalidError(source=shown(url), problem=why, hint=hint)


def unchanged(web: Web, trail: Trail, parse: Callable[[Answer], Page]) -> bool:
    """Whether every page is still as it was. Asks for no more pages than up to the first that is not."""
    for visit in trail.visits:
        answer = web.get(visit.url, Validators(visit.etag, visit.modified))
        if answer.body is None:
            continue
        with answer:
            if parse(answer).digest != visit.digest:
                return False
    return True


def _closing(answer: Answer, frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    try:
        yield from frames
    finally:
        answer.close()
