"""The configuration of Prometheus and Alertmanager for `deployments/compose.yaml`.

``python -m deployments.compose.watching FOLDER``: a container of the flows image writes it there before the two start,
which mount the folder. Names are those of the
services there. It has no secret in it: passwords are files, which Compose mounts.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from observability.alertmanager.configuration import alertmanager_configuration
from observability.prometheus.configuration import Job, Watching
from sluice.errors import SettingsInvalidError
from sluice.settings import Settings

# Where compose.yaml mounts them.
RULES = Path("/etc/prometheus/rules")
TEMPLATES = Path("/etc/alertmanager/templates")
SECRETS = Path("/run/secrets")


def prometheus(settings: Settings) -> dict[str, Any]:
    """The content of ``prometheus.yml``."""
    observe = settings.observe
    watching = Watching(
        jobs=tuple(_jobs(settings)),
        rules=RULES,
        alertmanagers=["alertmanager:9093"],
        labels={"env": settings.env},
        seconds=observe.scrape_seconds,
    )
    return watching.rendered()


def alertmanager(settings: Settings) -> dict[str, Any]:
    """The content of ``alertmanager.yml``.

    Raises:
        SettingsInvalidError: a file that a setting names cannot be read.
    """
    return alertmanager_configuration(settings.observe, url_files=True) | {"templates": [f"{TEMPLATES}/*.tmpl"]}


def _jobs(settings: Settings) -> Iterator[Job]:
    prefect, mlflow = settings.prefect.account, settings.mlflow.account
    yield Job("sluice-serving", ["serving:8000"], token_file=settings.observe.serving_key_file)
    yield Job("sluice-exporter", ["exporter:9200"])
    yield Job(
        "prefect",
        ["prefect-server:4200"],
        path="/api/metrics",
        account=(prefect[0], SECRETS / "prefect_password") if prefect else None,
    )
    yield Job("mlflow", ["mlflow:5000"], account=(mlflow[0], SECRETS / "mlflow_password") if mlflow else None)
    yield Job("dask-scheduler", ["dask-scheduler:8787"])
    # Each worker by its own address, however many there are.
    yield Job("dask-workers", discovery="http://dask-scheduler:8787/prometheus/workers.json")
    if settings.observe.mongodb_exporter:
        yield Job("mongodb", [settings.observe.mongodb_exporter])
    yield Job("node", ["node-exporter:9100"])
    yield Job("prometheus", ["127.0.0.1:9090"])
    yield Job("alertmanager", ["alertmanager:9093"])


def main(folder: str) -> None:
    try:
        settings = Settings.load()
        files = {"prometheus.yml": prometheus(settings), "alertmanager.yml": alertmanager(settings)}
    except SettingsInvalidError as error:
        sys.exit(str(error))
    for name, content in files.items():
        (Path(folder) / name).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
