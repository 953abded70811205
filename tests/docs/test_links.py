"""What the pages point to is there."""

from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, anchors, links

LARGEST_IMAGE = 200_000


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_internal_links_lead_somewhere(page: Path) -> None:
    """Files, images and headings that a page links to exist."""
    for link in links(page):
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page.name} links to {link}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{page.name} links to {link}"


def test_images_are_small_and_used() -> None:
    """A clone stays small, and no picture outlives the page that showed it."""
    shown = {(page.parent / link).resolve() for page in PAGES for link in links(page) if "://" not in link}
    for image in (ROOT / "docs" / "images").iterdir():
        assert image.stat().st_size < LARGEST_IMAGE, image.name
        assert image in shown, f"no page shows {image.name}"
