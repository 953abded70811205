"""The configuration of Loki, Alloy, Tempo and Grafana agrees with the code: labels, data sources, jobs, dashboards."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployments.local.record import StackRecord
from deployments.local.watching import configure_watching
from observability.dashboards import logs
from sluice.settings import Settings
from tests.observability import logql
from tests.observability.panel_queries import asked, dashboards, selectors

LABELS = ("cluster", "env", "namespace", "service_name", "container", "level")
METADATA = ("trace_id", "span_id", "flow_run_id", "task_run_id", "deployment", "model", "model_version")
LEVELS = {"TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL"}
ROOM = Path(__file__).parents[2] / "observability"
ALLOY = (ROOM / "alloy" / "config.alloy").read_text(encoding="utf-8")
COMPOSE = (ROOM / "alloy" / "compose.alloy").read_text(encoding="utf-8")
YAML = ("loki/loki.yaml", "tempo/tempo.yaml", "grafana/provisioning/datasources/sluice.yaml",
        "grafana/provisioning/dashboards/sluice.yaml")  # fmt: skip


def content(name: str) -> Any:
    return yaml.safe_load((ROOM / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", YAML)
def test_it_is_yaml_without_a_key_twice(name: str) -> None:
    """A second key of the same name would silently replace the first."""

    def check(node: yaml.Node) -> None:
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value]
            assert len(keys) == len(set(keys)), keys
        children = [each for pair in node.value for each in pair] if isinstance(node, yaml.MappingNode) else node.value
        if not isinstance(node, yaml.ScalarNode):
            for child in children:
                check(child)

    check(yaml.compose((ROOM / name).read_text(encoding="utf-8")))
    assert content(name)


def test_loki_refuses_more_streams_than_are_planned() -> None:
    limits = content("loki/loki.yaml")["limits_config"]
    assert limits["max_global_streams_per_user"] == 1000
    assert len(LABELS) <= limits["max_label_names_per_series"] < len(LABELS) + len(METADATA)
    assert limits["allow_structured_metadata"] is True


def test_loki_makes_no_label_or_metadata_of_its_own() -> None:
    limits = content("loki/loki.yaml")["limits_config"]
    assert limits["discover_service_name"] == []
    assert limits["discover_log_levels"] is False


def test_loki_keeps_its_chunks_where_its_data_are() -> None:
    """A real Loki without this wrote them into the folder it was started in."""
    loki = content("loki/loki.yaml")
    assert loki["storage_config"]["use_thanos_objstore"] is True
    folder = loki["storage_config"]["object_store"]["filesystem"]["dir"]
    assert folder.startswith(loki["common"]["path_prefix"])


def test_loki_removes_what_is_old_and_only_the_person_who_runs_it_is_told() -> None:
    loki, tempo = content("loki/loki.yaml"), content("tempo/tempo.yaml")
    assert loki["compactor"]["retention_enabled"] is True
    assert loki["limits_config"]["retention_period"] == "${LOKI_RETENTION:-720h}"
    assert loki["analytics"] == tempo["usage_report"] == {"reporting_enabled": False}


@pytest.mark.parametrize("name", ["loki/loki.yaml", "tempo/tempo.yaml"])
def test_nothing_listens_beyond_this_machine_unless_told_to(name: str) -> None:
    text = (ROOM / name).read_text(encoding="utf-8")
    for host in re.findall(r"(?:_address|endpoint): (\S+)", text):
        assert host.startswith(("127.0.0.1", "${LOKI_HOST:-127.0.0.1}", "${TEMPO_HOST:-127.0.0.1}",
                                "${TEMPO_OTLP_HOST:-127.0.0.1}")), host  # fmt: skip
    assert "0.0.0.0" not in text


def block(name: str, text: str = ALLOY) -> str:
    """The inside of a block of Alloy's configuration."""
    start = text.index(f"{name} {{") + len(name) + 2
    depth = 1
    for position in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[start:position]
    raise AssertionError(f"{name} does not end")


def keys(text: str) -> set[str]:
    return set(re.findall(r"^\s*(\w+)\s*=", text, re.MULTILINE)) - {"values", "expressions"}


def test_alloy_sends_the_labels_that_the_python_sink_sends() -> None:
    """In the same order as the constant, so that whoever changes one sees the other."""
    kept = tuple(re.findall(r'"(\w+)"', block("stage.label_keep")))
    assert kept == LABELS
    made = keys(block("stage.labels")) | keys(block("stage.static_labels"))
    made |= set(re.findall(r'target_label\s*=\s*"(\w+)"', block('discovery.relabel "pods"'))) - {"__path__", "pod"}
    assert made == set(LABELS)


def test_alloy_sends_the_structured_metadata_that_the_python_sink_sends() -> None:
    metadata = keys(block("stage.structured_metadata"))
    assert metadata == {"pod", *METADATA}
    assert metadata - {"pod"} <= keys(block("stage.json"))
    assert not metadata & set(LABELS)


def test_alloy_knows_the_levels_of_the_python_sink() -> None:
    found = re.search(r"\^\(([A-Z|]+)\)\$", block("stage.template"))
    assert found is not None
    assert set(found[1].split("|")) == LEVELS


def test_alloy_on_a_server_sends_the_same_labels() -> None:
    """From files of containers in place of pods; every label is made, and no other is kept."""
    assert tuple(re.findall(r'"(\w+)"', block("stage.label_keep", COMPOSE))) == LABELS
    assert keys(block("stage.labels", COMPOSE)) | keys(block("stage.static_labels", COMPOSE)) == set(LABELS)
    (level,) = re.findall(r'level\s+= "(\w+)"', block("stage.static_labels", COMPOSE))
    assert level in LEVELS


def test_alloy_passes_spans_on_in_the_same_way_everywhere() -> None:
    for name in ('otelcol.receiver.otlp "spans"', 'otelcol.exporter.otlp "tempo"', 'loki.write "loki"'):
        assert block(name, COMPOSE) == block(name)


@pytest.mark.parametrize(("text", "source"), [(ALLOY, "pods"), (COMPOSE, "containers")], ids=["cluster", "server"])
def test_each_component_of_alloy_is_fed_and_feeds_one_that_exists(text: str, source: str) -> None:
    """Names in expressions are those of blocks, and braces are even; Alloy itself judges the rest."""
    code = re.sub(r'"(?:[^"\\]|\\.)*"', '""', re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    assert code.count("{") == code.count("}")
    assert code.count("[") == code.count("]")
    components = {f"{kind}.{name}" for kind, name in re.findall(r'^([a-z_.]+) "(\w+)" \{$', text, re.MULTILINE)}
    used = set(
        re.findall(r"\b((?:discovery|local|loki|otelcol)(?:\.[a-z_]+)+)\.(?:targets|output|receiver|input)", code)
    )
    assert used <= components
    sources = {"loki.write.loki", "otelcol.exporter.otlp.tempo", "otelcol.receiver.otlp.spans"}
    assert components - used - {f"loki.source.file.{source}"} <= sources
    assert all(later != first for first, later in pairwise(sorted(components)))


def test_logs_are_asked_by_labels_that_exist() -> None:
    for one in asked("loki"):
        assert set(logql.read(one.expression).labels) <= set(LABELS), one
    assert set(logs.VARIABLES) <= set(LABELS)


def test_data_sources_lead_to_data_sources_that_exist() -> None:
    sources = {one["uid"]: one for one in content(YAML[2])["datasources"]}
    assert {one["type"] for one in sources.values()} == {"prometheus", "alertmanager", "loki", "tempo"}
    text = (ROOM / YAML[2]).read_text(encoding="utf-8")
    for uid in re.findall(r"(?:datasourceUid|alertmanagerUid): (\S+)", text):
        assert uid in sources, uid
    assert sources["prometheus"]["jsonData"]["exemplarTraceIdDestinations"][0]["datasourceUid"] == "tempo"
    to_trace, to_run = sources["loki"]["jsonData"]["derivedFields"]
    assert to_trace["matcherRegex"] in METADATA
    assert to_run["matcherRegex"] in METADATA
    assert to_run["url"].partition("?")[0] == "/d/sluice-logs"
    assert "sluice-logs" in {page["uid"] for page in dashboards().values()}


def test_a_trace_leads_to_its_lines_and_to_metrics_by_queries_that_parse() -> None:
    tempo = next(one for one in content(YAML[2])["datasources"] if one["uid"] == "tempo")["jsonData"]
    query = logql.read(tempo["tracesToLogsV2"]["query"].replace("$$", "$"))
    assert set(query.labels) <= set(LABELS)
    assert query.filtered == ["trace_id"]
    for one in tempo["tracesToMetrics"]["queries"]:
        assert selectors(one["query"]), one


def test_jobs_are_called_as_prometheus_is_told_to_call_them(tmp_path: Path) -> None:
    """Each job that a query or a data source names is one that Prometheus scrapes."""
    settings = Settings(home=tmp_path)
    configure_watching(StackRecord.of(settings, root=tmp_path), settings)
    configured = yaml.safe_load((tmp_path / "run" / "observe" / "prometheus.yml").read_text())
    jobs = {job["job_name"] for job in configured["scrape_configs"]}
    texts = [one.expression for one in asked("prometheus")] + [(ROOM / YAML[2]).read_text(encoding="utf-8")]
    named = {name for text in texts for name in re.findall(r'job="([^"]+)"', text)}
    assert named
    assert named <= jobs


def test_grafana_is_told_of_every_dashboard() -> None:
    (provider,) = content(YAML[3])["providers"]
    assert provider["type"] == "file"
    assert provider["options"]["path"] == "${SLUICE_DASHBOARDS}"
    assert provider["allowUiUpdates"] is False


def test_the_page_sets_what_the_provisioning_reads() -> None:
    """The snippet of docs/dashboards.md gives Grafana every address that its files ask for, and no other."""
    page = (ROOM.parent / "docs" / "dashboards.md").read_text(encoding="utf-8")
    snippet = yaml.safe_load(page.split('title="compose.yaml"\n')[1].split("```")[0])
    wanted = {name for file in YAML[2:] for name in re.findall(r"(?<!\$)\$\{(\w+)\}", (ROOM / file).read_text())}
    assert set(snippet["services"]["grafana"]["environment"]) == wanted
