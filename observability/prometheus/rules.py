"""The rules as they are installed, or in a hurry: for a rehearsal every time in them is divided by a factor."""

import re
from pathlib import Path
from typing import Any

import yaml

from observability.prometheus.duration import duration, seconds_of

FOLDER = Path(__file__).parents[1] / "rules"
# Of a range, and of a subquery with its step: [5m], [1h:1m], [1h:].
_RANGE = re.compile(r"\[(?P<window>\w+)(?P<step>:\w*)?\]")
_OFFSET = re.compile(r"\boffset (?P<window>\w+)")


def rule_files() -> list[Path]:
    """The files of rules of this installation, by name."""
    return sorted(FOLDER.glob("*.yaml"))


def in_a_hurry(text: str, factor: float, least: float) -> str:
    """A file of rules with its windows, offsets, intervals and ``for`` divided, and a first line that says so.

    Numbers are as they were: a threshold that is an age in seconds is no shorter, and a rate is a rate.

    Args:
        factor: 60 makes minutes of hours.
        least: seconds that a range has at least: four scrapes, as a rate needs two samples to be inside.
    """
    content = yaml.safe_load(text)
    for group in content["groups"]:
        if "interval" in group:
            group["interval"] = _shorter(group["interval"], factor, least / 4)
        for rule in group["rules"]:
            rule["expr"] = _shorter_expression(rule["expr"], factor, least)
            for key in ("for", "keep_firing_for"):
                if key in rule:
                    rule[key] = _shorter(rule[key], factor, 0)
    head = f"# For a rehearsal: windows, intervals and waiting times are divided by {factor:g}.\n"
    return head + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)


def _shorter(text: Any, factor: float, least: float) -> str:
    return duration(max(seconds_of(str(text)) / factor, least))


def _shorter_expression(expression: str, factor: float, least: float) -> str:
    def window(found: "re.Match[str]") -> str:
        step = found["step"] or ""
        if len(step) > 1:
            step = ":" + _shorter(step[1:], factor, least / 4)
        return f"[{_shorter(found['window'], factor, least)}{step}]"

    expression = _RANGE.sub(window, expression)
    return _OFFSET.sub(lambda found: f"offset {_shorter(found['window'], factor, 0)}", expression)
