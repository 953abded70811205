"""The rules of this installation, read for tests."""

from pathlib import Path
from typing import Any

import yaml

import observability
from tests.observability.panel_queries import selectors

ROOT = Path(observability.__file__).parent
FILES = sorted((ROOT / "rules").glob("*.yaml"))


def rules(file: Path) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]


def alerts(file: Path) -> list[dict[str, Any]]:
    return [rule for rule in rules(file) if "alert" in rule]


def metrics(expression: str) -> set[str]:
    """Names of the metrics that an expression reads.

    Raises:
        ValueError: it does not parse.
    """
    return {selector.name for selector in selectors(expression)}


def expressions() -> dict[str, str]:
    """Every rule's expression, by file and name; the four of one alert are numbered."""
    found: dict[str, str] = {}
    for file in FILES:
        for number, rule in enumerate(rules(file)):
            found[f"{file.stem}: {rule.get('alert') or rule['record']} {number}"] = rule["expr"]
    return found


def labels_by_alert() -> dict[str, dict[str, str]]:
    """Labels that each alert has when it fires: those of the rules' own tests, which promtool has judged."""
    found: dict[str, dict[str, str]] = {}
    for file in FILES:
        for test in yaml.safe_load((ROOT / "rules" / "tests" / file.name).read_text())["tests"]:
            for case in test.get("alert_rule_test", ()):
                for fires in case["exp_alerts"]:
                    found.setdefault(case["alertname"], fires.get("exp_labels") or {})
    return found
