"""A container's process gets the environment that its service has on a laptop, from the settings alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deployments.local import environment
from deployments.local.record import StackRecord
from deployments.local.services import local_services
from deployments.member import FOLDERS, member_environment
from sluice.settings import DaskSettings, MlflowSettings, PrefectSettings, Settings

SECRET = "0123456789abcdef"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        home=tmp_path / "home",
        prefect=PrefectSettings(
            url="http://prefect-server:4200/api", ui="https://prefect.example.com", auth=f"sluice:{SECRET}"
        ),
        mlflow=MlflowSettings(uri="http://mlflow:5000", username="sluice", password=SECRET),
        dask=DaskSettings(address="tcp://dask-scheduler:8786"),
    )


def test_addresses_and_accounts_reach_the_engines_own_clients(settings: Settings) -> None:
    made = member_environment("prefect-worker", settings)
    assert made["PREFECT_API_URL"] == "http://prefect-server:4200/api"
    assert made["PREFECT_API_AUTH_STRING"] == f"sluice:{SECRET}"
    assert made["MLFLOW_TRACKING_URI"] == "http://mlflow:5000"
    assert made["MLFLOW_TRACKING_PASSWORD"] == SECRET
    assert made["SLUICE_DASK__DASHBOARD"] == "http://dask-scheduler:8787"
    assert made["OTEL_SERVICE_NAME"] == "prefect-worker"


def test_prefect_listens_for_others_and_its_pages_ask_where_people_are(settings: Settings) -> None:
    made = member_environment("prefect-server", settings)
    assert made["PREFECT_SERVER_API_HOST"] == "0.0.0.0"
    assert made["PREFECT_SERVER_UI_API_URL"] == "https://prefect.example.com/api"
    assert made["PREFECT_SERVER_API_AUTH_STRING"] == f"sluice:{SECRET}"


@pytest.mark.parametrize("service", ["prefect-server", "mlflow", "dask-scheduler", "dask-workers", "prefect-worker"])
def test_every_service_of_the_laptop_has_what_it_has_there(service: str, tmp_path: Path) -> None:
    """What differs is where Prefect listens, and nothing else."""
    settings = Settings(home=tmp_path)
    record = StackRecord.of(settings, root=tmp_path)
    (local,) = (one for one in local_services(record, settings) if one.name == service)
    made = member_environment(service, settings)
    listens = {"PREFECT_SERVER_API_HOST", "PREFECT_SERVER_UI_API_URL"}
    there = {**environment.service_environment(record), **local.env}
    assert {name: made[name] for name in there if name not in listens} == {
        name: value for name, value in there.items() if name not in listens
    }


def run(home: Path, *arguments: str, **given: str) -> "subprocess.CompletedProcess[str]":
    foreign = ("SLUICE_", "PREFECT_", "MLFLOW_", "DASK_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return subprocess.run(
        [sys.executable, "-m", "deployments.member", *arguments],
        env={**kept, "SLUICE_HOME": str(home), **given},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_takes_the_place_of_the_process(tmp_path: Path) -> None:
    """With the folders that it needs; what the container's environment says is not changed."""
    show = "import json, os; print(json.dumps(dict(os.environ)))"
    done = run(tmp_path / "home", "dask-workers", sys.executable, "-c", show, MALLOC_TRIM_THRESHOLD_="1")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["MALLOC_TRIM_THRESHOLD_"] == "1"
    assert made["DASK_DISTRIBUTED__WORKER__PRELOAD"] == '["flows.dask_worker"]'
    assert {folder.name for folder in (tmp_path / "home").iterdir()} == set(FOLDERS)


def test_a_wrong_setting_is_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, "catch-up", "true", SLUICE_PREFECT__AUTH="short")
    assert done.returncode == 1
    assert done.stderr.startswith("SLUICE_PREFECT__AUTH")
    assert "Traceback" not in done.stderr
