"""The page of alerts in docs/, from the rules and the runbooks."""

import re
from pathlib import Path
from typing import Any

import yaml

import observability
from observability.alertmanager.inhibition import FOLLOWS, Follows

_ROOT = Path(observability.__file__).parent
_INTRO = """\
# Alerts

Every alert, from `observability/rules/`: how urgent it is, how long its condition holds before it fires, what it means.
Its name leads to its runbook. [observability.md](observability.md) says how they reach a person and are changed.

| severity | what is expected of who is on call |
| --- | --- |
| critical | somebody looks now; said again every 4 hours |
| warning | somebody looks today; said again every 12 hours |
| info | for whom it interests |
"""
_GROUPS = {
    "flows": "Flows, schedules and workers",
    "dask": "Dask",
    "models": "Models and data",
    "serving": "Serving",
    "slo": "Service levels",
    "components": "The platform and what watches it",
    "node": "Machines",
    "cluster": "A cluster",
}


def alerts_page() -> str:
    """The content of docs/alerts.md, below the first line."""
    parts = [_INTRO]
    for stem, title in _GROUPS.items():
        parts.append(f"\n## {title}\n\n| alert | severity | after | what it means |\n| --- | --- | --- | --- |\n")
        parts += [_row(name, rules) for name, rules in _alerts(_ROOT / "rules" / f"{stem}.yaml").items()]
    parts.append("\n## What keeps quiet\n\nA warning does while the same alert is critical. While one of these fires, ")
    parts.append("what follows from it is not told:\n\n| while this fires | these are not told |\n| --- | --- |\n")
    parts += [f"| {one.cause} | {_quiet(one)} |\n" for one in FOLLOWS]
    return "".join(parts)


def _quiet(one: Follows) -> str:
    names = ", ".join(f"`{name}`" for name in one.alerts)
    if one.source:
        names += " of " + ", ".join(f"`{source}`" for source in one.source.split("|"))
    return names + (f", of the same {' and '.join(one.same)}" if one.same else "")


def _alerts(file: Path) -> dict[str, list[dict[str, Any]]]:
    """The rules of each alert by its name; one with several windows has several."""
    found: dict[str, list[dict[str, Any]]] = {}
    for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                found.setdefault(rule["alert"], []).append(rule)
    return found


def _row(name: str, rules: list[dict[str, Any]]) -> str:
    severities = ", ".join(dict.fromkeys(rule["labels"]["severity"] for rule in rules))
    after = ", ".join(dict.fromkeys(rule.get("for", "at once") for rule in rules))
    runbook = (_ROOT / "runbooks" / f"{name}.md").read_text(encoding="utf-8")
    meaning = re.search(r"## Meaning\n\n(.*?)\n\n", runbook, re.DOTALL)
    text = " ".join(meaning[1].split()) if meaning else ""
    return f"| [{name}](../observability/runbooks/{name}.md) | {severities} | {after} | {text} |\n"
