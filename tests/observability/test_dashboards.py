"""The dashboards are what their code makes, keep the rules of Grafana's linter, and name series that exist."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from observability.dashboards import logs, service_levels
from observability.dashboards.__main__ import rendered, stale
from tests.observability import logql
from tests.observability.dashboard_rules import RULES, problems
from tests.observability.panel_queries import FOLDER, asked, dashboards, panels, selectors

NAMES = ("overview", "flows", "dask", "serving", "models", "logs")


def test_the_committed_json_is_what_the_code_makes() -> None:
    assert stale() == []
    assert sorted(dashboards()) == sorted(NAMES)


def test_two_processes_make_the_same_bytes() -> None:
    """Nothing in the JSON depends on the order of a set, on the time or on the machine."""
    code = "import sys; from observability.dashboards.__main__ import rendered; sys.stdout.write(repr(rendered()))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert other == repr(rendered())


def test_a_stale_missing_or_unknown_file_is_named(tmp_path: Path) -> None:
    for name, text in rendered().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "flows.json").write_text("{}", encoding="utf-8")
    (tmp_path / "dask.json").unlink()
    (tmp_path / "old.json").write_text("{}", encoding="utf-8")
    assert stale(tmp_path) == ["dask.json", "flows.json", "old.json"]


@pytest.mark.parametrize("name", NAMES)
def test_it_keeps_the_rules_of_the_linter(name: str) -> None:
    assert problems(dashboards()[name]) == []


def test_the_schema_is_the_one_the_version_of_the_sdk_is_pinned_for() -> None:
    assert {one["schemaVersion"] for one in dashboards().values()} == {42}


def _first(kind: str, page: dict) -> dict:
    return next(panel for panel in panels(page) if panel["type"] == kind)


def _expression(text: str) -> Callable[[dict], None]:
    return lambda page: _first("timeseries", page)["targets"][0].update(expr=text)


EVERYWHERE = 'job=~"$job", instance=~"$instance", env=~"$env"'
BREAKING: dict[str, Callable[[dict], None]] = {
    "template-datasource-rule": lambda page: page["templating"]["list"][0].update(name="source"),
    "template-job-rule": lambda page: page["templating"]["list"][2].update(allValue=".*"),
    "template-instance-rule": lambda page: page["templating"]["list"].pop(3),
    "template-environment-rule": lambda page: page["templating"]["list"].pop(1),
    "template-label-promql-rule": lambda page: page["templating"]["list"][2].update(query="label_values(up{, job)"),
    "template-on-time-change-reload-rule": lambda page: page["templating"]["list"][2].update(refresh=1),
    "template-used-rule": lambda page: page["templating"]["list"][4].update(name="other"),
    "panel-datasource-rule": lambda page: _first("stat", page).update(datasource={"uid": "x", "type": "prometheus"}),
    "panel-title-description-rule": lambda page: _first("heatmap", page).update(description=""),
    "panel-units-rule": lambda page: _first("heatmap", page)["fieldConfig"]["defaults"].update(unit="furlong"),
    "panel-no-targets-rule": lambda page: _first("stat", page).update(targets=[]),
    "panel-unique-rule": lambda page: _first("heatmap", page).update(title="Rate by route"),
    "panel-place-rule": lambda page: _first("heatmap", page)["gridPos"].update(x=0, y=0),
    "panel-links-rule": lambda page: _first("heatmap", page).update(links=[{"url": "/d/sluice-none?x"}]),
    "target-promql-rule": _expression("sum(up"),
    "target-rate-interval-rule": _expression(f"rate(a_total{{{EVERYWHERE}}}[5m])"),
    "target-job-rule": _expression('up{instance=~"$instance", env=~"$env"}'),
    "target-instance-rule": _expression('up{job=~"$job", env=~"$env"}'),
    "target-environment-rule": _expression('up{job=~"$job", instance=~"$instance"}'),
    "target-counter-agg-rule": _expression(f"sum(a_total{{{EVERYWHERE}}})"),
    "uneditable-dashboard": lambda page: page.update(editable=True),
}


@pytest.mark.parametrize("rule", BREAKING)
def test_each_rule_finds_what_breaks_it(rule: str) -> None:
    page = dashboards()["serving"]
    BREAKING[rule](page)
    try:
        found = [name for name, each in RULES.items() if list(each(page))]
    except ValueError:
        found = [name for name in ("target-promql-rule",) if list(RULES[name](page))]
    assert rule in found


@pytest.mark.parametrize("rule", ["target-logql-rule", "target-logql-auto-rule"])
def test_each_rule_of_logs_finds_what_breaks_it(rule: str) -> None:
    page = dashboards()["logs"]
    text = {"target-logql-rule": "{level=`x`", "target-logql-auto-rule": 'sum(rate({a="b"}[5m]))'}[rule]
    _expression(text)(page)
    assert list(RULES[rule](page))


def test_every_rule_is_tried() -> None:
    assert set(RULES) == set(BREAKING) | {"target-logql-rule", "target-logql-auto-rule"}


def test_no_exception_of_the_linter_is_stale() -> None:
    """Each exception names a panel that would be refused without it."""
    exceptions = yaml.safe_load((FOLDER / ".lint").read_text(encoding="utf-8"))["exclusions"]
    by_title = {page["title"]: page for page in dashboards().values()}
    for name, exception in exceptions.items():
        assert exception["reason"]
        for entry in exception["entries"]:
            refused = {title for title, _ in RULES[name](by_title[entry["dashboard"]])}
            assert entry["panel"] in refused, (name, entry)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{a=~".*"}',
        '{a="b"} | json x=y',
        'sum by (a) (count_over_time({a="b"}))',
        'topk(sum(count_over_time({a="b"}[5m])))',
        'up{a="b"}',
        '{a="b"} |~ "("',
        '{a="b"} extra',
    ],
)
def test_what_is_no_logql_is_refused(text: str) -> None:
    with pytest.raises((ValueError, Exception)):
        logql.read(text)


def test_logs_are_narrowed_by_metadata_and_never_by_an_id_as_a_label() -> None:
    for one in asked("loki"):
        query = logql.read(one.expression)
        assert not {"flow_run_id", "trace_id", "pod"} & set(query.labels), one
        assert {"flow_run_id", "trace_id", "deployment"} <= set(query.filtered), one


def test_the_budgets_are_those_of_the_rules() -> None:
    """A service level that is changed in the rules alone would draw a wrong burn and a wrong budget."""
    rules = (FOLDER.parents[1] / "rules" / "slo.yaml").read_text(encoding="utf-8")
    found = {(slo, float(budget)) for slo, budget in re.findall(r'slo="(\w+)"}\) > [\d.]+ \* ([\d.]+)', rules)}
    assert found == set(service_levels.BUDGETS.items())


def test_alerts_link_to_dashboards_that_exist() -> None:
    """Each link of an alert names one of ours, and sets variables that it has."""
    pages = {page["uid"]: {one["name"] for one in page["templating"]["list"]} for page in dashboards().values()}
    linked = set()
    for path in sorted((FOLDER.parents[1] / "rules").glob("*.yaml")):
        for uid, rest in re.findall(r"/d/([\w-]+)(\S*)", path.read_text(encoding="utf-8")):
            assert uid in pages, (path.name, uid)
            assert set(re.findall(r"var-(\w+)=", rest)) <= pages[uid], (path.name, uid, rest)
            linked.add(uid)
    assert "sluice-overview" in linked


def test_logs_that_alerts_name_are_found_by_the_labels_that_there_are() -> None:
    """The log query of an alert parses; its stages name metadata, its selector labels."""
    for path in sorted((FOLDER.parents[1] / "rules").glob("*.yaml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                if text := rule.get("annotations", {}).get("logs"):
                    query = logql.read(re.sub(r"\{\{.*?\}\}", "x", text))
                    assert set(query.labels) <= set(logs.VARIABLES) | {"container"}, rule["alert"]


def test_what_the_issue_asks_for_is_shown() -> None:
    """Names of series, of each dashboard; a renamed or removed one is noticed here, without a stack."""
    shown: dict[str, set[str]] = {}
    for one in asked("prometheus"):
        shown.setdefault(one.dashboard, set()).update(each.name for each in selectors(one.expression))
    expected = {
        "overview": (
            "ALERTS slo:sli_error:ratio_rate3d sluice_component_up "
            "sluice_flow_last_success_timestamp_seconds node_cpu_seconds_total "
            "node_memory_MemAvailable_bytes node_filesystem_avail_bytes process_start_time_seconds "
            "kube_pod_container_status_restarts_total container_memory_working_set_bytes"
        ),
        "flows": (
            "sluice_flow_runs_current sluice_flow_run_duration_seconds_bucket "
            "sluice_flow_start_delay_seconds_bucket sluice_flow_oldest_run_age_seconds "
            "sluice_flow_last_failure_info"
        ),
        "dask": (
            "dask_scheduler_workers dask_scheduler_tasks dask_worker_memory_bytes "
            "dask_worker_spill_bytes_total dask_scheduler_tasks_compute_seconds_total"
        ),
        "serving": (
            "http_server_request_duration_seconds_bucket sluice_prediction_duration_seconds_bucket "
            "slo:sli_error:ratio_rate1h http_server_active_requests sluice_prediction_value_bucket "
            "sluice_recommendation_fallbacks_total sluice_prediction_log_backlog "
            "sluice_model_loaded_info"
        ),
        "models": (
            "sluice_model_version sluice_model_trained_timestamp_seconds sluice_drift_score "
            "sluice_model_quality sluice_live_quality sluice_live_quality_samples "
            "sluice_challenger_lead sluice_feedback_acceptance_ratio sluice_recommendation_revenue"
        ),
    }
    for dashboard, names in expected.items():
        assert set(names.split()) <= shown[dashboard], dashboard


def test_exemplars_and_annotations_are_there() -> None:
    """A slow request leads to its trace, and a new version is a line across the page."""
    serving = dashboards()["serving"]
    with_exemplars = [panel["title"] for panel in panels(serving) if any(t.get("exemplar") for t in panel["targets"])]
    assert with_exemplars == ["Duration by route"]
    assert [one["name"] for one in serving["annotations"]["list"]] == ["Versions taken up", "Starts of serving"]
