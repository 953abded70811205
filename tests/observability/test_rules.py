"""The rules, judged by Prometheus' own tool: each alert fires when it should and only then, and says what to do."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from deployments.cli import app
from tests.observability.rules import FILES, ROOT, alerts

PROMTOOL = shutil.which("promtool")
LINKS = {"run_url", "model_url", "dashboard_url", "logs"}
ALERTS = [(file, alert) for file in FILES for alert in alerts(file)]
# Nothing follows from it, and it has nowhere to look.
ALWAYS_FIRES = "SluiceWatchdog"


@pytest.mark.skipif(PROMTOOL is None, reason="Debian's package prometheus has promtool")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_rules_hold_their_tests(file: Path) -> None:
    """Also that the annotations render as they should: the tests give them in full."""
    for check in (["check", "rules", file], ["test", "rules", ROOT / "rules" / "tests" / file.name]):
        done = subprocess.run([str(PROMTOOL), *check], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("file", "alert"), ALERTS, ids=lambda value: value["alert"] if isinstance(value, dict) else "")
def test_each_alert_says_what_to_do(file: Path, alert: dict[str, Any]) -> None:
    """A severity, what happened, where to look, a runbook, a test in which it fires and one in which it does not."""
    name, annotations = alert["alert"], alert["annotations"]
    tested = yaml.safe_load((ROOT / "rules" / "tests" / file.name).read_text())["tests"]
    expected = [case for test in tested for case in test["alert_rule_test"]]
    assert name.startswith("Sluice")
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert (
        {"summary", "description", "runbook_url"}
        <= annotations.keys()
        <= {"summary", "description", "runbook_url"} | LINKS
    )
    assert annotations["runbook_url"].endswith(f"/{name}.md")
    fires = {bool(case["exp_alerts"]) for case in expected if case["alertname"] == name}
    assert fires == ({True} if name == ALWAYS_FIRES else {True, False})
    assert ("dashboard_url" in annotations) or name == ALWAYS_FIRES
    for label in ("deployment", "model"):
        if f"$labels.{label}" in annotations["summary"]:
            assert {"run_url", "model_url"} & annotations.keys(), "an alert on a run or a model links to it"


def test_every_burn_rate_of_the_table_is_there() -> None:
    """Two service levels, four pairs of windows, each with its factor, its time and its severity."""
    table = {
        ("1h", "5m", "14.4", "2m", "critical"),
        ("6h", "30m", "6", "15m", "critical"),
        ("1d", "2h", "3", "1h", "warning"),
        ("3d", "6h", "1", "3h", "warning"),
    }
    pattern = re.compile(r'ratio_rate(\w+)\{slo="(\w+)"\}\) > ([\d.]+) \* ([\d.]+)')
    for name, slo, budget in (
        ("SluiceServingErrorBudgetBurn", "availability", "0.001"),
        ("SluiceServingLatencyBudgetBurn", "latency", "0.01"),
    ):
        found = set()
        for alert in (alert for _, alert in ALERTS if alert["alert"] == name):
            (long, *first), (short, *second) = pattern.findall(alert["expr"])
            assert first == second == [slo, first[1], budget]
            assert alert["labels"]["window"] == long
            found.add((long, short, first[1], alert["for"], alert["labels"]["severity"]))
        assert found == table


RUNBOOKS = sorted((ROOT / "runbooks").glob("*.md"))


def test_there_is_a_runbook_for_each_alert_and_no_other() -> None:
    assert {path.stem for path in RUNBOOKS} == {alert["alert"] for _, alert in ALERTS}


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_runbooks_have_their_parts_and_real_commands(path: Path) -> None:
    """What it means, whom it hurts, how to find out and what to do, with command lines that parse."""
    text = path.read_text()
    assert text.startswith(f"# {path.stem}\n")
    for part in ("Meaning", "Impact", "Diagnosis", "Mitigation"):
        assert f"\n## {part}\n" in text
    lines = [line for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    assert lines
    group: Any = get_command(app)
    for line in (line for line in lines if line.startswith("sluice ")):
        _, name, *rest = re.findall(r'"[^"]*"|\S+', line)
        command = group.commands[name]
        if rest and rest[0] in getattr(command, "commands", {}):
            command, rest = command.commands[rest[0]], rest[1:]
        command.make_context(name, rest)


@pytest.mark.parametrize(("file", "alert"), ALERTS, ids=lambda value: value["alert"] if isinstance(value, dict) else "")
def test_alerts_without_links_still_lead_to_a_runbook(file: Path, alert: dict[str, Any]) -> None:
    """Where no settings say where pages are, or the exporter is away for a day, the runbook is a file of ours."""
    assert "{{ else }}observability/runbooks{{ end }}" in alert["annotations"]["runbook_url"]
    for link in ("run_url", "model_url", "dashboard_url"):
        if link in alert["annotations"]:
            assert alert["annotations"][link].endswith("{{ end }}")
