"""What each dashboard must keep: the rules of Grafana's dashboard-linter for every type of panel, and some of ours.

A rule takes a dashboard and says what is wrong. Exceptions are in ``observability/grafana/dashboards/.lint``, which
that linter reads too; see docs/verification.md for when it was run.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from tests.observability import logql
from tests.observability.panel_queries import FOLDER, RATE_INTERVAL, dashboards, is_counter, panels, rated, selectors

Dashboard = dict[str, Any]
Problem = tuple[str, str]  # the panel's title (or the dashboard's), and what is wrong
Rule = Callable[[Dashboard], Iterator[Problem]]

UNITS = {"none", "string", "short", "percentunit", "bytes", "Bps", "reqps", "s"}
SOURCES = ("prometheus", "loki", "tempo")


def template_datasource_rule(dashboard: Dashboard) -> Iterator[Problem]:
    found = [one for one in _variables(dashboard) if one["type"] == "datasource"]
    if not found:
        yield dashboard["title"], "has no variable for its data source"
    for one in found:
        if (one["name"], one["label"]) != (f"{one['query']}_datasource", f"{one['query'].title()} data source"):
            yield dashboard["title"], f"{one['name']} ({one['label']}) is not named after its kind"


def template_job_rule(dashboard: Dashboard) -> Iterator[Problem]:
    yield from _variable(dashboard, "job")


def template_instance_rule(dashboard: Dashboard) -> Iterator[Problem]:
    yield from _variable(dashboard, "instance")


def template_environment_rule(dashboard: Dashboard) -> Iterator[Problem]:
    if not any(one["name"] == "env" and one["multi"] and one["includeAll"] for one in _variables(dashboard)):
        yield dashboard["title"], "has no variable for the environment"


def template_label_promql_rule(dashboard: Dashboard) -> Iterator[Problem]:
    for one in _queried(dashboard):
        found = re.fullmatch(r"label_values\((?:(.+), )?([a-z_]+)\)", one["query"])
        if found is None:
            yield dashboard["title"], f"{one['name']}: {one['query']}"
        elif found[1] and one["datasource"]["type"] == "prometheus":
            yield from _parsed(dashboard["title"], lambda text=found[1]: selectors(text))


def template_on_time_change_reload_rule(dashboard: Dashboard) -> Iterator[Problem]:
    for one in _queried(dashboard):
        if one["refresh"] != 2:
            yield dashboard["title"], f"{one['name']} does not follow the shown time"


def template_used_rule(dashboard: Dashboard) -> Iterator[Problem]:
    """Each variable is used by something, and each that is used exists."""
    inside = re.sub(r'"templating": \{.*', "", repr({**dashboard, "templating": None}))
    used = set(re.findall(r"\$\{?([a-z][a-z_]*)", inside + repr([one.get("query") for one in _variables(dashboard)])))
    used |= {one["datasource"]["uid"][2:-1] for one in _queried(dashboard)}
    defined = {one["name"] for one in _variables(dashboard)}
    hidden = {one["name"] for one in _variables(dashboard) if one.get("hide")}
    for name in used - defined:
        yield dashboard["title"], f"${name} is used and not defined"
    for name in defined - used - hidden:
        yield dashboard["title"], f"${name} is defined and not used"


def panel_datasource_rule(dashboard: Dashboard) -> Iterator[Problem]:
    allowed = {f"${{{kind}_datasource}}": kind for kind in SOURCES}
    for panel in panels(dashboard):
        for one in (panel, *panel["targets"]):
            if allowed.get(one["datasource"]["uid"]) != one["datasource"]["type"]:
                yield panel["title"], f"asks {one['datasource']}, not the chosen data source"


def panel_title_description_rule(dashboard: Dashboard) -> Iterator[Problem]:
    for panel in panels(dashboard):
        if not panel.get("title") or not panel.get("description", "").endswith("."):
            yield panel.get("title", "?"), "has no title, or no description in sentences"


def panel_units_rule(dashboard: Dashboard) -> Iterator[Problem]:
    for panel in panels(dashboard):
        overrides = panel["fieldConfig"]["overrides"]
        units = [each["value"] for one in overrides for each in one["properties"] if each["id"] == "unit"]
        for unit in (panel["fieldConfig"]["defaults"].get("unit"), *units):
            if unit not in UNITS:
                yield panel["title"], f"has the unit {unit}"


def panel_no_targets_rule(dashboard: Dashboard) -> Iterator[Problem]:
    for panel in panels(dashboard):
        references = [target.get("refId") for target in panel.get("targets", [])]
        if not references or len(set(references)) != len(references) or not all(references):
            yield panel["title"], "has no query, or two with one name"


def panel_unique_rule(dashboard: Dashboard) -> Iterator[Problem]:
    titles = Counter(panel["title"] for panel in panels(dashboard))
    numbers = Counter(panel["id"] for panel in dashboard["panels"])
    for title, number in titles.items():
        if number > 1:
            yield title, "is there twice"
    if max(numbers.values()) > 1:
        yield dashboard["title"], "has two panels with one id"


def panel_place_rule(dashboard: Dashboard) -> Iterator[Problem]:
    """No panel stands on another, and none goes beyond the 24 columns."""
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        if place["x"] + place["w"] > 24:
            yield panel["title"], "goes beyond the page"
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                if (other := taken.setdefault((x, y), panel["title"])) != panel["title"]:
                    yield panel["title"], f"stands on {other}"
                    return


def panel_links_rule(dashboard: Dashboard) -> Iterator[Problem]:
    """Links to dashboards lead to one of ours, and set variables that it has."""
    ours = {one["uid"]: {variable["name"] for variable in _variables(one)} for one in dashboards().values()}
    for panel in panels(dashboard):
        for uid, rest in re.findall(r"/d/([\w-]+)\?([^'\"]*)", repr(panel)):
            if uid not in ours:
                yield panel["title"], f"leads to {uid}"
            elif unknown := set(re.findall(r"var-(\w+)=", rest)) - ours[uid]:
                yield panel["title"], f"sets {', '.join(sorted(unknown))} of {uid}"


def target_promql_rule(dashboard: Dashboard) -> Iterator[Problem]:
    for title, expression in _expressions(dashboard, "prometheus"):
        yield from _parsed(title, lambda text=expression: selectors(text))


def target_rate_interval_rule(dashboard: Dashboard) -> Iterator[Problem]:
    for title, expression in _expressions(dashboard, "prometheus"):
        for one in selectors(expression):
            rate = one.functions and one.functions[0] in {"rate", "irate"}
            if rate and one.range != RATE_INTERVAL:
                yield title, f"{one.name}: a rate over {one.range}, not over $__rate_interval"


def target_job_rule(dashboard: Dashboard) -> Iterator[Problem]:
    yield from _matched(dashboard, "job")


def target_instance_rule(dashboard: Dashboard) -> Iterator[Problem]:
    yield from _matched(dashboard, "instance")


def target_environment_rule(dashboard: Dashboard) -> Iterator[Problem]:
    yield from _matched(dashboard, "env")


def target_counter_agg_rule(dashboard: Dashboard) -> Iterator[Problem]:
    for title, expression in _expressions(dashboard, "prometheus"):
        for one in selectors(expression):
            if is_counter(one.name) and not rated(one):
                yield title, f"{one.name} is a counter, and not in rate or increase"


def target_logql_rule(dashboard: Dashboard) -> Iterator[Problem]:
    for title, expression in _expressions(dashboard, "loki"):
        yield from _parsed(title, lambda text=expression: logql.read(text))


def target_logql_auto_rule(dashboard: Dashboard) -> Iterator[Problem]:
    for title, expression in _expressions(dashboard, "loki"):
        for range_ in logql.read(expression).ranges:
            if range_ != "$__auto":
                yield title, f"counts over {range_}, not over $__auto"


def uneditable_dashboard(dashboard: Dashboard) -> Iterator[Problem]:
    if dashboard["editable"]:
        yield dashboard["title"], "can be edited in Grafana, where the next start undoes it"


RULES: dict[str, Rule] = {
    name.replace("_", "-"): rule
    for name, rule in list(globals().items())
    if name.endswith(("_rule", "_dashboard")) and not name.startswith("_") and callable(rule)
}


def problems(dashboard: Dashboard) -> list[str]:
    """What breaks a rule and stands in no list of exceptions."""
    exceptions = yaml.safe_load((FOLDER / ".lint").read_text(encoding="utf-8"))["exclusions"]
    found = []
    for name, rule in RULES.items():
        for title, what in rule(dashboard):
            if not _excepted(exceptions.get(name), dashboard["title"], title):
                found.append(f"{name}: {dashboard['title']}: {title}: {what}")
    return found


def _excepted(exception: dict[str, Any] | None, dashboard: str, panel: str) -> bool:
    for entry in (exception or {}).get("entries", []):
        if entry.get("dashboard", dashboard) == dashboard and entry.get("panel", panel) == panel:
            return True
    return False


def _variables(dashboard: Dashboard) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = dashboard["templating"]["list"]
    return listed


def _queried(dashboard: Dashboard) -> list[dict[str, Any]]:
    return [one for one in _variables(dashboard) if one["type"] == "query"]


def _asks_prometheus(dashboard: Dashboard) -> bool:
    return any(one["name"] == "prometheus_datasource" for one in _variables(dashboard))


def _variable(dashboard: Dashboard, name: str) -> Iterator[Problem]:
    if not _asks_prometheus(dashboard):
        return
    found = next((one for one in _queried(dashboard) if one["name"] == name), None)
    if found is None:
        yield dashboard["title"], f"has no variable {name}"
    elif (found["label"], found["multi"], found["allValue"], found["datasource"]["uid"]) != (
        name.title(), True, ".+", "${prometheus_datasource}",
    ):  # fmt: skip
        yield dashboard["title"], f"{name} is not a choice of several, all of them: .+"


def _expressions(dashboard: Dashboard, kind: str) -> Iterator[tuple[str, str]]:
    for panel in panels(dashboard):
        for target in panel["targets"]:
            if target["datasource"]["type"] == kind:
                yield panel["title"], target["expr"]


def _matched(dashboard: Dashboard, label: str) -> Iterator[Problem]:
    for title, expression in _expressions(dashboard, "prometheus"):
        for one in selectors(expression):
            if (label, "Re", f"${label}") not in one.matchers:
                yield title, f'{one.name} has no {label}=~"${label}"'


def _parsed(title: str, parse: Callable[[], object]) -> Iterator[Problem]:
    try:
        parse()
    except (ValueError, re.error) as error:
        yield title, str(error)
