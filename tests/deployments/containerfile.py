"""A Containerfile as its builder reads it: instructions, without comments and line ends."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[2] / "deployments" / "images"
FILES = sorted(FOLDER.glob("*.Containerfile"))


class Instruction(NamedTuple):
    """Attributes:
    word: FROM, RUN, …
    stage: number of the stage that it is of; what is before the first FROM is of stage -1.
    """

    word: str
    text: str
    stage: int


def instructions(path: Path) -> Iterator[Instruction]:
    """In order. A comment within an instruction is none of it."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    stage = -1
    for text in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        if not text.strip():
            continue
        word, _, rest = text.strip().partition(" ")
        stage += word == "FROM"
        yield Instruction(word, " ".join(rest.split()), stage)


def arguments(path: Path) -> dict[str, str]:
    """Build arguments that have a default."""
    found: dict[str, str] = {}
    for one in instructions(path):
        name, equals, default = one.text.partition("=")
        if one.word == "ARG" and equals:
            found[name] = default.strip('"')
    return found
