"""Alertmanager's configuration, judged by its own tool: who is told of what."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from deployments.local.watching import _reads_url_files
from observability.alertmanager.configuration import addresses, alertmanager_configuration
from observability.alertmanager.inhibition import FOLLOWS, inhibit_rules
from observability.redaction import MASK
from sluice.errors import SettingsInvalidError
from sluice.observe_settings import ObserveSettings
from tests.observability.rules import FILES, alerts

AMTOOL = shutil.which("amtool")
needs_amtool = pytest.mark.skipif(AMTOOL is None, reason="Debian's package prometheus-alertmanager has amtool")
NAMES = {alert["alert"] for file in FILES for alert in alerts(file)}


@pytest.fixture
def receivers(tmp_path: Path) -> ObserveSettings:
    """Every receiver that there is, with its secrets in files."""
    for name, text in {
        "webhook": "http://127.0.0.1:9/hook?key=webhook-secret\n",
        "token": "token-secret\n",
        "slack": "http://127.0.0.1:9/services/slack-secret\n",
        "password": "mail-secret\n",
        "heartbeat": "http://127.0.0.1:9/beat-secret\n",
    }.items():
        (tmp_path / name).write_text(text)
    return ObserveSettings(
        webhook_url_file=tmp_path / "webhook",
        webhook_token_file=tmp_path / "token",
        slack_url_file=tmp_path / "slack",
        slack_channel="#alerts",
        email_to=("on-call@example.org", "second@example.org"),
        smtp_server="mail.example.org:587",
        smtp_username="sluice",
        smtp_password_file=tmp_path / "password",
        heartbeat_url_file=tmp_path / "heartbeat",
    )


def written(settings: ObserveSettings, folder: Path) -> Path:
    path = folder / "alertmanager.yml"
    path.write_text(yaml.safe_dump(alertmanager_configuration(settings), sort_keys=False))
    return path


def amtool(*arguments: str | Path) -> str:
    done = subprocess.run([str(AMTOOL), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_amtool
def test_alertmanager_takes_the_configuration(receivers: ObserveSettings, tmp_path: Path) -> None:
    """With every receiver, and without any: then nobody is told, and what fires is on its page."""
    said = amtool("check-config", written(receivers, tmp_path))
    assert "2 receivers" in said
    assert "1 templates" in said
    assert "1 receivers" in amtool("check-config", written(ObserveSettings(), tmp_path))


@needs_amtool
def test_routes(receivers: ObserveSettings, tmp_path: Path) -> None:
    """Alerts go to who is on call, and the sign of life to whoever misses it."""
    path = written(receivers, tmp_path)
    for labels, receiver in (
        (["alertname=SluiceWatchdog", "severity=info"], "heartbeat"),
        (["alertname=SluiceFlowRunFailed", "severity=warning", "deployment=ingest/movies"], "on-call"),
        (["alertname=SluicePrefectDown", "severity=critical"], "on-call"),
        (["alertname=SluiceChallengerBetter", "severity=info"], "on-call"),
    ):
        amtool("config", "routes", "test", f"--config.file={path}", f"--verify.receivers={receiver}", *labels)


def test_how_often_is_told(receivers: ObserveSettings) -> None:
    """Grouped; 30 s, 5 m; a critical alert again after 4 h, a warning after 12 h; in a hurry all of it is divided."""
    route = alertmanager_configuration(receivers)["route"]
    assert route["group_by"] == ["alertname", "deployment", "model"]
    assert (route["group_wait"], route["group_interval"], route["repeat_interval"]) == ("30s", "5m", "12h")
    watchdog, critical = route["routes"]
    assert (watchdog["group_interval"], watchdog["repeat_interval"]) == ("1m", "48s")
    assert critical == {"matchers": ['severity="critical"'], "repeat_interval": "4h"}
    route = alertmanager_configuration(receivers.model_copy(update={"hurry": 60}))["route"]
    assert (route["group_wait"], route["group_interval"], route["repeat_interval"]) == ("500ms", "5s", "12m")


def test_secrets_of_receivers_come_from_files(receivers: ObserveSettings, tmp_path: Path) -> None:
    """Alertmanager reads them itself, but the addresses of webhooks, which its version here cannot read from a file."""
    text = written(receivers, tmp_path).read_text()
    for secret in ("token-secret", "slack-secret", "mail-secret"):
        assert secret not in text
    for file in ("token", "slack", "password"):
        assert str(tmp_path / file) in text
    assert "webhook-secret" in text
    assert "mail-secret" not in repr(receivers)


def test_a_later_alertmanager_reads_all_addresses_from_files(receivers: ObserveSettings, tmp_path: Path) -> None:
    """Since 0.26; then none is on its page."""
    text = yaml.safe_dump(alertmanager_configuration(receivers, url_files=True))
    assert "-secret" not in text
    for file in addresses(receivers):
        assert str(file) in text


@pytest.mark.parametrize(("version", "reads"), [("0.25.0", False), ("0.26.0", True), ("0.28.1", True), ("1.0.0", True)])
def test_its_version_decides(version: str, reads: bool, tmp_path: Path) -> None:
    program = tmp_path / "alertmanager"
    program.write_text(f"#!/bin/sh\necho 'alertmanager, version {version} (branch: HEAD)' >&2\n")
    program.chmod(0o700)
    assert _reads_url_files(str(program)) is reads


def test_no_address_is_in_what_it_logs(receivers: ObserveSettings) -> None:
    """Nor what is behind the host, and every line arrives, also what is said after a request to end."""
    said = 'for file do echo Post \\"$(cat $file)\\" refused; done; echo the last, of /hook?key=webhook-secret'
    command = [sys.executable, "-m", "observability.alertmanager.masked", *map(str, addresses(receivers)), "--"]
    shell = ["/bin/sh", "-c", said, "sh", *map(str, addresses(receivers))]
    done = subprocess.run([*command, *shell], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f'Post "{MASK}" refused'] * 3 + [f"the last, of {MASK}"]


@pytest.mark.parametrize("field", ["webhook_url_file", "slack_url_file", "heartbeat_url_file"])
def test_a_missing_file_is_named(field: str, tmp_path: Path) -> None:
    """One line that names the setting, before anything is started."""
    settings = ObserveSettings.model_validate({field: tmp_path / "nothing"})
    with pytest.raises(SettingsInvalidError, match=f"SLUICE_OBSERVE__{field.upper()}"):
        alertmanager_configuration(settings)


def test_what_is_down_mutes_what_follows_from_it() -> None:
    """Inhibition names alerts that exist, and nothing mutes itself or what tells of its own cause."""
    import re

    for one in FOLLOWS:
        assert one.cause in NAMES
        for pattern in one.alerts:
            assert [name for name in NAMES if re.fullmatch(pattern, name) and name != one.cause], pattern
    first = inhibit_rules()[0]
    assert first["equal"] == ["env", "alertname", "model"]
    assert first["source_matchers"] == ['severity="critical"']
    assert first["target_matchers"] == ['severity="warning"']
