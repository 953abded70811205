"""What watches the local stack, where it is installed: Prometheus, Alertmanager, node exporter (`sluice up --observe`).

Their configuration is rendered into the home before they are started. They ask nobody who they are, so they are on
127.0.0.1 only, whatever address the rest has.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from deployments.local.record import StackRecord, host_of, port_of, starts_dask
from deployments.local.service import Service
from observability.alertmanager.configuration import addresses, alertmanager_configuration
from observability.prometheus.configuration import Job, Watching
from observability.prometheus.duration import duration
from observability.prometheus.rules import in_a_hurry, rule_files
from sluice.settings import Settings

# Service, Debian's package, and the names that its program has in Debian and elsewhere.
PROGRAMS = {
    "prometheus": ("prometheus", ("prometheus",)),
    "alertmanager": ("prometheus-alertmanager", ("prometheus-alertmanager", "alertmanager")),
    "node-exporter": ("prometheus-node-exporter", ("prometheus-node-exporter", "node_exporter")),
}


def program(service: str) -> str | None:
    """The path of a service's program, if it is installed."""
    return next(filter(None, map(shutil.which, PROGRAMS[service][1])), None)


def missing_packages() -> list[str]:
    """Debian's packages of what is not installed here."""
    return [package for service, (package, _) in PROGRAMS.items() if program(service) is None]


def how_to_install(packages: list[str]) -> str:
    """What a person types on Debian or Ubuntu. Elsewhere the programs of the same names on the path do."""
    return f"sudo apt-get install --no-install-recommends {' '.join(packages)}"


def watching_services(record: StackRecord, settings: Settings) -> Iterator[Service]:
    """Those that are installed."""
    observe, folder = settings.observe, record.home / "prometheus"
    if path := program("prometheus"):
        yield Service(
            name="prometheus",
            title="Prometheus",
            command=(
                path,
                f"--config.file={_configuration(record, 'prometheus')}",
                f"--web.listen-address=127.0.0.1:{record.prometheus_port}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--storage.tsdb.retention.time={duration(86_400 * observe.retention_days)}",
                f"--storage.tsdb.retention.size={max(1, round(1024 * observe.retention_gib))}MB",
                "--enable-feature=exemplar-storage",
                f"--rules.alert.resend-delay={duration(max(1.0, 60 / observe.hurry))}",
            ),
            ports={record.prometheus_port: "SLUICE_OBSERVE__PROMETHEUS_PORT=PORT"},
        )
    if path := program("alertmanager"):
        yield Service(
            name="alertmanager",
            title="Alertmanager",
            command=(
                *(sys.executable, "-m", "observability.alertmanager.masked", *map(str, addresses(observe)), "--"),
                path,
                f"--config.file={_configuration(record, 'alertmanager')}",
                f"--web.listen-address=127.0.0.1:{record.alertmanager_port}",
                f"--storage.path={folder / 'alertmanager'}",
                "--cluster.listen-address=",  # it is alone
            ),
            ports={record.alertmanager_port: "SLUICE_OBSERVE__ALERTMANAGER_PORT=PORT"},
        )
    if path := program("node-exporter"):
        yield Service(
            name="node-exporter",
            title="Node exporter",
            command=(path, f"--web.listen-address=127.0.0.1:{record.node_exporter_port}"),
            ports={record.node_exporter_port: "SLUICE_OBSERVE__NODE_EXPORTER_PORT=PORT"},
        )


def configure_watching(record: StackRecord, settings: Settings) -> None:
    """Write what they read when they start.

    Raises:
        SettingsInvalidError: a file that a setting names cannot be read.
    """
    observe, folder = settings.observe, _folder(record.home)
    rules = folder / "rules"
    forget_watching(record.home)
    rules.mkdir(parents=True)
    folder.chmod(0o700)
    for file in rule_files():
        text = file.read_text(encoding="utf-8")
        if observe.hurry > 1:
            text = in_a_hurry(text, observe.hurry, 4 * observe.scrape_seconds)
        (rules / file.name).write_text(text, encoding="utf-8")
    watching = Watching(
        jobs=tuple(_jobs(record, settings)),
        rules=rules,
        alertmanagers=[f"127.0.0.1:{record.alertmanager_port}"],
        labels={"env": settings.env},
        seconds=observe.scrape_seconds,
    )
    _write(_configuration(record, "prometheus"), yaml.safe_dump(watching.rendered(), sort_keys=False))
    told = alertmanager_configuration(observe, url_files=_reads_url_files(program("alertmanager")))
    _write(_configuration(record, "alertmanager"), yaml.safe_dump(told, sort_keys=False))


def _reads_url_files(alertmanager: str | None) -> bool:
    """Whether it is of 0.26 or later."""
    if alertmanager is None:
        return False
    said = subprocess.run([alertmanager, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"version (\d+)\.(\d+)", said.stdout + said.stderr)
    return found is not None and (int(found[1]), int(found[2])) >= (0, 26)


def forget_watching(home: Path) -> None:
    """Remove what was written for them, passwords among it."""
    shutil.rmtree(_folder(home), ignore_errors=True)


def serving_refuses(settings: Settings) -> bool:
    """Whether Prometheus would be asked for a key that it has not got."""
    serving = settings.serving
    return serving.auth_required and "metrics" not in serving.public and settings.observe.serving_key_file is None


def _jobs(record: StackRecord, settings: Settings) -> Iterator[Job]:
    secrets = _folder(record.home)
    yield Job(
        "sluice-serving",
        [f"{_reached(record.serving_host)}:{record.serving_port}"],
        token_file=settings.observe.serving_key_file,
    )
    yield Job("sluice-exporter", [f"{_reached(record.exporter_host)}:{record.exporter_port}"])
    yield Job(
        "prefect",
        [_address(record.prefect_url)],
        path=f"{urlsplit(record.prefect_url).path.rstrip('/')}/metrics",
        account=_account(settings.prefect.account, secrets / "prefect_password"),
        scheme=urlsplit(record.prefect_url).scheme,
    )
    if urlsplit(record.mlflow_uri).scheme in {"http", "https"}:
        yield Job(
            "mlflow",
            [_address(record.mlflow_uri)],
            account=_account(settings.mlflow.account, secrets / "mlflow_password"),
            scheme=urlsplit(record.mlflow_uri).scheme,
        )
    yield Job("dask-scheduler", [_address(record.dask_dashboard)])
    yield Job(
        "dask-workers",
        discovery=f"{record.dask_dashboard}/prometheus/workers.json",
        host=host_of(record.dask_dashboard) if starts_dask(settings) else "",
    )
    if settings.observe.mongodb_exporter:
        yield Job("mongodb", [settings.observe.mongodb_exporter])
    yield Job("node", [f"127.0.0.1:{record.node_exporter_port}"])
    yield Job("prometheus", [f"127.0.0.1:{record.prometheus_port}"])
    yield Job("alertmanager", [f"127.0.0.1:{record.alertmanager_port}"])


def _account(account: tuple[str, str] | None, file: Path) -> tuple[str, Path] | None:
    """The account, with its password in a file that only this user reads: Prometheus takes one in no other way."""
    if account is None:
        return None
    _write(file, account[1])
    return account[0], file


def _configuration(record: StackRecord, service: str) -> Path:
    return _folder(record.home) / f"{service}.yml"


def _folder(home: Path) -> Path:
    return home / "run" / "observe"


def _address(url: str) -> str:
    return f"{host_of(url)}:{port_of(url)}"


def _reached(host: str) -> str:
    return "127.0.0.1" if host in {"0.0.0.0", "::", ""} else host  # noqa: S104 compared, not listened on


def _write(path: Path, text: str) -> None:
    """A secret may be in it."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
