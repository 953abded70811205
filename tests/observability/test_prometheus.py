"""Prometheus' configuration as the local stack renders it, judged by Prometheus' own tool."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from deployments.local.record import StackRecord
from deployments.local.watching import configure_watching, forget_watching, serving_refuses
from observability.prometheus.duration import duration, seconds_of
from observability.prometheus.rules import in_a_hurry, rule_files
from sluice.observe_settings import ObserveSettings
from sluice.settings import MlflowSettings, PrefectSettings, ServingSettings, Settings

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="Debian's package prometheus has promtool")


def configured(home: Path, **settings: Any) -> tuple[Path, dict[str, Any]]:
    """The file that Prometheus would read, and its content."""
    given = Settings(home=home, **settings)
    configure_watching(StackRecord.of(given, root=home), given)
    path = home / "run" / "observe" / "prometheus.yml"
    return path, yaml.safe_load(path.read_text())


def check(*arguments: str | Path) -> None:
    done = subprocess.run([str(PROMTOOL), "check", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_prometheus_takes_the_configuration(tmp_path: Path) -> None:
    """Every job of the platform is in it, and Prometheus' own check finds nothing."""
    path, content = configured(tmp_path)
    check("config", path)
    jobs = {job["job_name"]: job for job in content["scrape_configs"]}
    assert set(jobs) == {
        *("sluice-serving", "sluice-exporter", "prefect", "mlflow", "dask-scheduler", "dask-workers"),
        *("node", "prometheus", "alertmanager"),
    }
    assert jobs["prefect"]["metrics_path"] == "/api/metrics"
    assert content["global"]["scrape_interval"] == "15s"


@needs_promtool
def test_passwords_are_in_files_of_this_user_only(tmp_path: Path) -> None:
    """Prometheus takes passwords from files: nobody else reads them, the configuration has none, `down` ends them."""
    path, content = configured(
        tmp_path,
        prefect=PrefectSettings(auth=SecretStr("sluice:prefect-password")),
        mlflow=MlflowSettings(username="keeper", password=SecretStr("mlflow-password")),
    )
    check("config", path)
    assert "-password" not in path.read_text()
    accounts = {job["job_name"]: job["basic_auth"] for job in content["scrape_configs"] if "basic_auth" in job}
    assert {name: account["username"] for name, account in accounts.items()} == {
        "prefect": "sluice",
        "mlflow": "keeper",
    }
    for name, account in accounts.items():
        file = Path(account["password_file"])
        assert file.read_text() == f"{name}-password"
        assert file.stat().st_mode & 0o777 == 0o600
    forget_watching(tmp_path)
    assert not path.parent.exists()


def test_a_key_for_serving_is_a_file(tmp_path: Path) -> None:
    """Where serving asks for a key, Prometheus reads it from a file; a missing one is noticed."""
    closed = ServingSettings(auth="required")
    assert serving_refuses(Settings(serving=closed))
    assert not serving_refuses(Settings(serving=closed.model_copy(update={"public": ("metrics",)})))
    key = ObserveSettings(serving_key_file=tmp_path / "key")
    assert not serving_refuses(Settings(serving=closed, observe=key))
    _, content = configured(tmp_path, serving=closed, observe=key)
    serving = next(job for job in content["scrape_configs"] if job["job_name"] == "sluice-serving")
    assert serving["authorization"] == {"credentials_file": str(tmp_path / "key")}


def test_a_mongodb_exporter_is_scraped_where_there_is_one(tmp_path: Path) -> None:
    """MongoDB tells its metrics through an exporter of its own, which somebody runs beside it."""
    _, content = configured(tmp_path, observe=ObserveSettings(mongodb_exporter="mongodb:9216"))
    (job,) = [job for job in content["scrape_configs"] if job["job_name"] == "mongodb"]
    assert job["static_configs"] == [{"targets": ["mongodb:9216"]}]


@needs_promtool
@pytest.mark.parametrize("file", rule_files(), ids=lambda file: file.stem)
def test_rules_in_a_hurry_are_rules(file: Path, tmp_path: Path) -> None:
    """Divided times are still what Prometheus takes, and the file says that it is for a rehearsal."""
    hurried = tmp_path / file.name
    hurried.write_text(in_a_hurry(file.read_text(), 60, 4))
    assert hurried.read_text().startswith("# For a rehearsal")
    check("rules", hurried)


def test_a_hurry_divides_times_and_nothing_else() -> None:
    """Windows, steps, offsets and waiting times; no threshold, and no range under four scrapes."""
    rule = {"alert": "A", "expr": "rate(a[1h]) / b offset 10m > 3600 and max_over_time(c[5m:1m]) > 5", "for": "15m"}
    text = yaml.safe_dump({"groups": [{"name": "g", "interval": "1m", "rules": [rule]}]})
    (group,) = yaml.safe_load(in_a_hurry(text, 60, 8))["groups"]
    assert group["interval"] == "2s"
    (hurried,) = group["rules"]
    assert hurried["expr"] == "rate(a[1m]) / b offset 10s > 3600 and max_over_time(c[8s:2s]) > 5"
    assert hurried["for"] == "15s"


@pytest.mark.parametrize(("seconds", "text"), [(15, "15s"), (0.5, "500ms"), (5400, "90m"), (259200, "3d"), (0, "1ms")])
def test_durations(seconds: float, text: str) -> None:
    """What is written is what was meant, but never zero, which would mean never or at once."""
    assert duration(seconds) == text
    assert seconds_of(text) == max(seconds, 0.001)
