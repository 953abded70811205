"""What a site allows robots to do: robots.txt, RFC 9309."""

from typing import TYPE_CHECKING

import httpx
from protego import Protego

from sluice.errors import SluiceError
from sluice.sources.address import shown
from sluice.sources.web import Web

if TYPE_CHECKING:
    from collections.abc import Callable

_LARGEST = 500 << 10  # RFC 9309, 2.5: parse at least that much


class PageForbiddenError(SluiceError):
    """Fields: url."""

    status = 422
    template = "robots.txt forbids {url} to this user agent."


class Robots:
    """The rules for one user agent on one site."""

    def __init__(self, text: str, user_agent: str) -> None:
        self._rules = Protego.parse(text)
        self._user_agent = user_agent

    @classmethod
    def read(cls, web: Web, url: str, user_agent: str) -> "Robots":
        """Those of the site that ``url`` is on.

        A site without the file (an answer 4xx) allows everything; one that fails allows nothing.

        Raises:
            SourceUnavailableError: it fails.
        """
        with web.get(str(httpx.URL(url).join("/robots.txt")), missing=True) as answer:
            return cls(answer.content()[:_LARGEST].decode(errors="replace"), user_agent)

    @property
    def delay(self) -> float:
        """Seconds between requests that the site asks for."""
        return float(self._rules.crawl_delay(self._user_agent) or 0)

    @property
    def check(self) -> "Callable[[str], None]":
        """Raises `PageForbiddenError` for an address that is forbidden."""

        def check(url: str) -> None:
            if not self._rules.can_fetch(url, self._user_agent):
                raise PageForbiddenError(url=shown(url))

        return check
