"""What a server answered."""

from dataclasses import dataclass
from typing import IO

import httpx


@dataclass(frozen=True)
class Validators:
    """What makes a request conditional."""

    etag: str | None = None
    modified: str | None = None


NOTHING_KNOWN = Validators()


@dataclass
class Answer:
    """A body that was received whole, in memory or on disk. ``body`` is None when nothing has changed (304)."""

    url: str
    headers: httpx.Headers
    body: IO[bytes] | None
    digest: str = ""
    size: int = 0

    @property
    def validators(self) -> Validators:
        return Validators(self.headers.get("etag"), self.headers.get("last-modified"))

    @property
    def next_link(self) -> str | None:
        """RFC 8288's ``rel="next"``."""
        response = httpx.Response(200, headers={"link": self.headers.get("link", "")})
        link = response.links.get("next", {}).get("url")
        return None if link is None else str(httpx.URL(self.url).join(link))

    def content(self) -> bytes:
        assert self.body is not None
        self.body.seek(0)
        return self.body.read()

    def close(self) -> None:
        if self.body is not None:
            self.body.close()

    def __enter__(self) -> "Answer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
