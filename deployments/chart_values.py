"""The table of the chart's values in its README, from the comments of ``values.yaml``.

Written by `deployments.chart_files`; what stands above the mark in the README is written by hand.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

MARK = "<!-- What follows is written by python -m deployments.chart_files. -->\n"
_KEY = re.compile(r"^(?P<indent> *)(?P<name>[A-Za-z]\w*):(?P<rest>.*)$")


class Value(NamedTuple):
    """One line of the table; ``default`` is JSON in one line, empty for a group whose parts are lines too."""

    path: str
    default: str
    comment: str


def values(text: str) -> Iterator[Value]:
    """Every key that has a comment above it, in the file's order."""
    content = yaml.safe_load(text)
    comment: list[str] = []
    path: list[tuple[int, str]] = []
    for line in text.splitlines():
        if line.strip().startswith("#"):
            comment.append(line.strip().removeprefix("#").strip())
            continue
        found = _KEY.match(line)
        if found:
            indent = len(found["indent"])
            path = [*((at, name) for at, name in path if at < indent), (indent, found["name"])]
            if comment:
                names = [name for _, name in path]
                yield Value(".".join(names), _default(content, names, text), " ".join(comment))
        comment = []


def readme(there: str, text: str) -> str:
    """The README with a new table below its mark."""
    rows = "".join(f"| `{one.path}` | {_code(one.default)} | {_cell(one.comment)} |\n" for one in values(text))
    return (
        f"{there.partition(MARK)[0]}{MARK}\n## Values\n\n| value | default | what it is |\n| --- | --- | --- |\n{rows}"
    )


def _default(content: Any, names: list[str], text: str) -> str:
    for name in names:
        content = content[name]
    if isinstance(content, dict) and content and any(_commented(text, name) for name in content):
        return ""
    return yaml.safe_dump(content, default_flow_style=True, width=10_000).removesuffix("...\n").strip()


def _commented(text: str, name: str) -> bool:
    return re.search(rf"^ *#[^\n]*\n *{name}:", text, re.MULTILINE) is not None


def _code(default: str) -> str:
    return f"`{default}`" if default and default != "''" else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
