"""The pages a reader gets, and what is in them that can be checked: commands, files, links."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]

_BLOCK = re.compile(r"^```(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HTML_LINK = re.compile(r"<(?:img|source|a)\s[^>]*?(?:src|srcset|href)=\"(?P<target>[^\"]+)\"")
_SHELL = {"bash", "sh", "shell", "console"}


@dataclass(frozen=True)
class Block:
    """A fenced block. ``language`` is the first word after the fence, ``title`` a file name if one is given."""

    page: Path
    language: str
    title: str
    text: str


def blocks(page: Path) -> Iterator[Block]:
    for found in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        language, _, rest = found["info"].partition(" ")
        title = re.search(r'title="([^"]+)"', rest)
        yield Block(page, language, title[1] if title else "", found["text"])


def commands() -> dict[str, str]:
    """Every command that a page shows, in the order of the pages, with the page it is on first.

    In ``console`` blocks those are the lines after a ``$``, elsewhere all lines but comments.
    """
    found: dict[str, str] = {}
    for page in PAGES:
        for block in blocks(page):
            if block.language not in _SHELL:
                continue
            for line in re.sub(r"\\\n\s*", "", block.text).splitlines():
                prompt, is_prompt, command = line.partition("$ ")
                text = (command if is_prompt and not prompt else "") if block.language == "console" else line
                text = re.sub(r"\s{2,}#.*$", "", text).strip()
                if text and not text.startswith("#"):
                    found.setdefault(text, str(page.relative_to(ROOT)))
    return found


def spans() -> list[str]:
    """Command lines in running text, such as `sluice up --free-ports`, of which at least the form can be checked."""
    found: dict[str, None] = {}
    for page in PAGES:
        prose = _BLOCK.sub("", page.read_text(encoding="utf-8"))
        found |= dict.fromkeys(re.findall(r"`((?:sluice|make) [a-z][^`…<]*)`", prose))
    return list(found)


def links(page: Path) -> list[str]:
    """Targets of links and images, outside of code."""
    prose = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    return [found["target"] for pattern in (_LINK, _HTML_LINK) for found in pattern.finditer(prose)]


def anchors(page: Path) -> set[str]:
    """The names by which a page's headings can be linked, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _BLOCK.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
