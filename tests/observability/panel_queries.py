"""What the committed dashboards ask, and which series a PromQL expression names."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import promql_parser

FOLDER = Path(__file__).parents[2] / "observability" / "grafana" / "dashboards"
# In place of Grafana's variables, recognisable again after parsing.
RATE_INTERVAL = timedelta(seconds=977)
_STANDS_FOR = {"$__rate_interval": "977s", "$__range": "983s", "$__interval": "991s"}
_RATES = {"rate", "irate", "increase"}


@dataclass(frozen=True)
class Asked:
    """One query of one panel, or of an annotation."""

    dashboard: str
    panel: str
    type: str
    expression: str
    source: str

    def __str__(self) -> str:
        return f"{self.dashboard} / {self.panel}"


@dataclass(frozen=True)
class Selector:
    """One selector of an expression.

    Attributes:
        functions: that it stands in, the innermost first.
        range: in square brackets, if any.
    """

    name: str
    matchers: tuple[tuple[str, str, str], ...]
    functions: tuple[str, ...]
    range: timedelta | None


def dashboards() -> dict[str, dict[str, Any]]:
    """By file name without its ending."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def asked(source: str) -> list[Asked]:
    """Every query of every dashboard for this kind of data source, annotations too."""
    found = []
    for name, dashboard in dashboards().items():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                found.append(
                    Asked(name, panel["title"], panel["type"], target.get("expr", ""), target["datasource"]["type"])
                )
        for annotation in dashboard["annotations"]["list"]:
            kind = annotation["datasource"]["type"]
            found.append(Asked(name, annotation["name"], "annotation", annotation["expr"], kind))
    return [one for one in found if one.source == source]


def expanded(expression: str, **variables: str) -> str:
    """With Grafana's own variables replaced, and those of the dashboard where a value is given."""
    for name, value in _STANDS_FOR.items() | {(f"${name}", value) for name, value in variables.items()}:
        expression = re.sub(re.escape(name) + r"\b", value.replace("\\", r"\\"), expression)
    return expression


def selectors(expression: str) -> list[Selector]:
    """Raises ValueError where the expression does not parse."""
    return list(_walk(promql_parser.parse(expanded(expression)), (), None))


def _walk(node: Any, functions: tuple[str, ...], range_: timedelta | None) -> Iterator[Selector]:
    if isinstance(node, promql_parser.VectorSelector):
        matchers = tuple((one.name, str(one.op).rpartition(".")[2], one.value) for one in node.matchers.matchers)
        name = node.name or next((value for label, _, value in matchers if label == "__name__"), "")
        yield Selector(name, matchers, functions, range_)
    elif isinstance(node, promql_parser.MatrixSelector):
        yield from _walk(node.vector_selector, functions, node.range)
    elif isinstance(node, promql_parser.Call):
        for argument in node.args:
            yield from _walk(argument, (node.func.name, *functions), range_)
    else:
        for part in ("lhs", "rhs", "expr", "param"):
            if (child := getattr(node, part, None)) is not None:
                yield from _walk(child, functions, range_)


def is_counter(name: str) -> bool:
    return name.endswith(("_total", "_bucket", "_count", "_sum"))


def rated(selector: Selector) -> bool:
    return bool(selector.functions) and selector.functions[0] in _RATES and selector.range is not None
