"""Sources of the exporter: one that fails leaves the others, and its age tells."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily

from observability.exported import use_cases
from observability.exported.components import Components
from observability.exported.findings import Monitored
from observability.exported.links import links, tell_links
from observability.exported.models import families
from observability.exported.page import Page
from observability.exported.registered import Registered
from observability.exported.source import Sources
from observability.exported.use_cases import readable_configs
from observability.metrics import exposition
from sluice.embedded_documents import EmbeddedDocuments
from sluice.mlflow_health import ping
from sluice.monitor_findings import Drift, Drifted, Findings, FindingsStore, Quality, Uptake
from sluice.monitor_options import Monitor
from sluice.settings import ExporterSettings, Settings
from sluice.use_case import Threshold, UseCaseConfig, discover
from tests.observability.rules import FILES, alerts
from tests.observability.told import values

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
DIABETES = ("diabetes",)


class FakeSource:
    seconds = 0.01

    def __init__(self, name: str) -> None:
        self.name = name
        self.value: float | Exception = 1

    def look(self) -> Iterable[Metric]:
        if isinstance(self.value, Exception):
            raise self.value
        family = GaugeMetricFamily(f"told_by_{self.name}", "")
        family.add_metric([], self.value)
        return [family]


def test_a_source_that_fails_leaves_the_others_and_ages() -> None:
    """What it told before stays, since when is told, and how often it failed."""
    registry = CollectorRegistry()
    page = Page()
    registry.register(page)
    sources = Sources(page, registry)
    good, bad = FakeSource("good"), FakeSource("bad")
    for source in (good, bad):
        sources.expect(source.name)
        assert sources.once(source)
    last = "sluice_exporter_last_success_timestamp_seconds"
    before = {name: registry.get_sample_value(last, {"source": name}) for name in ("good", "bad")}
    good.value, bad.value = 2, RuntimeError("away")
    assert (sources.once(good), sources.once(bad), sources.once(bad)) == (True, False, False)
    assert (registry.get_sample_value("told_by_good"), registry.get_sample_value("told_by_bad")) == (2, 1)
    assert registry.get_sample_value(last, {"source": "bad"}) == before["bad"]
    assert registry.get_sample_value(last, {"source": "good"}) > before["good"]  # type: ignore[operator]
    assert registry.get_sample_value("sluice_exporter_errors_total", {"source": "bad"}) == 2
    assert registry.get_sample_value("sluice_exporter_errors_total", {"source": "good"}) == 0


def test_components_are_up_or_down() -> None:
    """By one question each."""
    registry = CollectorRegistry()
    there = {"mlflow": True}

    def ask() -> None:
        if not there["mlflow"]:
            raise OSError("refused")

    components = Components({"mlflow": ask}, registry)
    for state in (True, False, True):
        there["mlflow"] = state
        assert components.ask("mlflow") is state
        assert registry.get_sample_value("sluice_component_up", {"component": "mlflow"}) == state


def test_mlflow_is_asked_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """One for the outside does not know it: it would be told to be down, as no other component is."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    class Healthy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Healthy) as server:
        Thread(target=server.handle_request, daemon=True).start()
        ping(f"http://127.0.0.1:{server.server_port}")


def test_a_broken_use_case_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left out and named once; the others are told of."""
    monkeypatch.setattr(use_cases, "discover", lambda: {"broken": "json", **discover()})
    said: list[str] = []
    sink = use_cases.logger.add(lambda message: said.append(str(message)), level="WARNING")
    found = [readable_configs(), readable_configs()]
    use_cases.logger.remove(sink)
    assert found[0].keys() == found[1].keys() == discover().keys()
    assert len(said) == 1
    assert "broken" in said[0]


def test_a_source_is_read_often_enough_for_its_alert() -> None:
    """Twice within the time after which SluiceExporterBlind takes it for unread."""
    (rule,) = [rule for file in FILES for rule in alerts(file) if rule["alert"] == "SluiceExporterBlind"]
    bound = int(re.findall(r"> (\d+)\n", rule["expr"])[0])
    for field in ("seconds", "slow_seconds"):
        assert ExporterSettings.model_validate({field: bound / 2})
        with pytest.raises(ValueError, match=field):
            ExporterSettings.model_validate({field: bound / 2 + 1})


def test_links_are_in_one_series() -> None:
    """Without passwords, which addresses may have in them."""
    settings = Settings().model_copy(
        update={"mlflow": Settings().mlflow.model_copy(update={"uri": "http://a:secret@mlflow:5000"})}
    )
    registry = CollectorRegistry()
    tell_links(links(settings), registry)
    text = exposition(registry)[0].decode()
    assert 'mlflow="http://mlflow:5000",prefect="http://127.0.0.1:4200"' in text
    assert "secret" not in text


def config(**more: object) -> UseCaseConfig:
    required = {"name": "diabetes", "title": "", "owner": "", "source": {}, "promote_if": {"auc": Threshold()}}
    return UseCaseConfig.model_validate({**required, **more})


def test_models_tell_of_champion_and_challenger() -> None:
    """Only the metrics of the gate, and no alias that anybody may make up."""
    metrics = {"auc": 0.8, "loss": 0.4}
    found = [
        Registered("diabetes", "champion", "3", NOW, metrics),
        Registered("diabetes", "tmp", "9", NOW, metrics),
        Registered("by_hand", "champion", "1", NOW, {f"m{n:02}": 1.0 for n in range(30)}),
    ]
    told = values(families(found, {"diabetes": config(monitor=Monitor(max_age=60))}))
    assert told["sluice_model_version", ("diabetes", "champion")] == 3
    assert told["sluice_model_trained_timestamp_seconds", ("diabetes", "champion")] == NOW.timestamp()
    assert told["sluice_model_max_age_seconds", DIABETES] == 60
    quality = [labels for name, labels in told if name == "sluice_model_quality"]
    assert [labels for labels in quality if labels[0] == "diabetes"] == [("diabetes", "champion", "auc")]
    assert len([labels for labels in quality if labels[0] == "by_hand"]) == 10


@pytest.fixture
def documents(tmp_path: Path) -> Iterable[EmbeddedDocuments]:
    store = EmbeddedDocuments(str(tmp_path / "d.db"))
    yield store
    store.close()


def test_the_newest_findings_are_told(documents: EmbeddedDocuments) -> None:
    """What the flow found before is history; what was not compared has no series."""
    store = FindingsStore(documents, "diabetes")
    empty = Findings(at=NOW - timedelta(hours=1), use_case="diabetes", drift=Drift(threshold=0.2))
    store.put(empty)
    told = values(Monitored(documents, 30).look())
    assert told["sluice_monitor_last_success_timestamp_seconds", DIABETES] == empty.at.timestamp()
    assert not [name for name, _ in told if name in {"sluice_drift_score", "sluice_live_quality"}]
    drift = Drift(threshold=0.3, samples=500, features=(Drifted(feature="age", score=0.5),))
    quality = Quality(alias="champion", version="3", samples=60, metrics={"accuracy": 0.7})
    uptake = Uptake(samples=60, acceptance=0.25, revenue=3.5)
    full = Findings(
        at=NOW, use_case="diabetes", drift=drift, quality=(quality,), floors={"accuracy": 0.8},
        lead={"accuracy": -0.1}, uptake=uptake,
    )  # fmt: skip
    store.put(full)
    store.put(full)
    assert store.latest() == full
    told = values(Monitored(documents, 30).look())
    assert told["sluice_drift_score", ("diabetes", "age")] == 0.5
    assert told["sluice_drift_threshold", DIABETES] == 0.3
    assert told["sluice_drift_samples", DIABETES] == 500
    assert told["sluice_live_quality", ("diabetes", "champion", "accuracy")] == 0.7
    assert told["sluice_live_quality_samples", ("diabetes", "champion")] == 60
    assert told["sluice_live_quality_floor", ("diabetes", "accuracy")] == 0.8
    assert told["sluice_challenger_lead", ("diabetes", "accuracy")] == -0.1
    assert told["sluice_feedback_acceptance_ratio", DIABETES] == 0.25
    assert told["sluice_recommendation_revenue", DIABETES] == 3.5


def test_old_findings_go_and_the_newest_stays(documents: EmbeddedDocuments) -> None:
    """Also where nobody has monitored for longer than runs are kept."""
    store = FindingsStore(documents, "diabetes")
    for days in (0, 50, 100):
        moment = NOW - timedelta(days=days)
        store.put(Findings(at=moment, use_case="diabetes", drift=Drift(threshold=0.2)))
    assert store.drop(NOW - timedelta(days=90)) == 1
    assert store.drop(NOW + timedelta(days=90)) == 1
    assert [one.at for one in store.since(NOW - timedelta(days=200))] == [NOW]
