"""Where links to the engines' pages lead."""

from pathlib import Path

import pytest

from serving.console.links import Links
from sluice.dask_settings import DaskSettings, RunClusterSettings
from sluice.settings import MlflowSettings, PrefectSettings, Settings


def test_links_come_from_the_addresses_of_the_engines() -> None:
    """Prefect's API without its path, MLflow's address, Dask's scheduler with the dashboard's port."""
    settings = Settings(
        prefect=PrefectSettings(url="http://127.0.0.1:4201/api"),
        mlflow=MlflowSettings(uri="https://ann:secret@mlflow.example/tracking/"),
        dask=DaskSettings(address="tcp://10.0.0.7:8786", dashboard_port=8788),
    )
    assert Links.of(settings) == Links(
        "http://127.0.0.1:4201", "https://mlflow.example/tracking", "http://10.0.0.7:8788"
    )


@pytest.mark.parametrize("uri", ["sqlite:///mlflow.db", "/var/mlflow", "javascript:alert(1)", ""])
def test_what_a_browser_cannot_open_is_no_link(uri: str) -> None:
    """Nothing is better than a link to nowhere."""
    assert Links.of(Settings(mlflow=MlflowSettings(uri=uri))).mlflow == ""


def test_clusters_of_runs_have_no_page() -> None:
    """Their dashboards come and go, under names that nobody knows before."""
    assert Links.of(Settings(dask=DaskSettings(per_run=RunClusterSettings(spec=Path("cluster.yaml"))))).dask == ""


def test_people_may_reach_the_engines_at_other_addresses() -> None:
    """In a cluster programs use names that no browser knows."""
    settings = Settings(
        prefect=PrefectSettings(url="http://prefect:4200/api", ui="https://prefect.example"),
        mlflow=MlflowSettings(uri="http://mlflow:5000", ui="https://mlflow.example"),
        dask=DaskSettings(address="tcp://scheduler:8786", ui="https://dask.example/"),
    )
    assert Links.of(settings) == Links("https://prefect.example", "https://mlflow.example", "https://dask.example")
