"""A headless browser, and what every page of ours must keep to while it is looked at."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

# A page that would ask another machine finds none.
_ARGUMENTS = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"]
# For a person this would be long; a busy machine with two cores takes it.
PATIENCE_MS = 20_000


@contextmanager
def started() -> Iterator[Browser]:
    """Debian's Chromium. While it runs, nothing else of the test's process may start an event loop in this thread."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.fail("The pages are tested in a browser, and there is none: apt-get install chromium")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """A page and what went wrong on it: errors in its console, and requests that left the machine."""

    page: Page
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def check(self) -> None:
        assert self.errors == []
        assert self.foreign == []


@contextmanager
def visiting(browser: Browser, address: str, *, width: int = 1280, dark: bool = False) -> Iterator[Visit]:
    """A new person on a page of the service. At the end nothing may have gone wrong."""
    size: ViewportSize = {"width": width, "height": 900}
    context = browser.new_context(base_url=address, viewport=size, color_scheme="dark" if dark else "light")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    visit = Visit(page)
    page.on("console", lambda said: visit.errors.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: visit.errors.append(str(error)))
    page.on("request", lambda asked: visit.foreign.append(asked.url) if not _is_here(asked.url) else None)
    try:
        yield visit
    finally:
        context.close()
    visit.check()


def _is_here(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in {"data", "blob", "about"} or parts.hostname in {"127.0.0.1", "localhost"}
