"""Which services a stack starts, and with what."""

from pathlib import Path

import pytest

from deployments.local.environment import service_environment, stack_environment
from deployments.local.record import StackRecord
from deployments.local.services import Service, local_services
from sluice.settings import DaskSettings, MlflowSettings, PrefectSettings, Settings


def services(settings: Settings) -> dict[str, Service]:
    record = StackRecord.of(settings, root=settings.home)
    return {service.name: service for service in local_services(record, settings)}


def test_everything_runs_here_by_default(tmp_path: Path) -> None:
    """On a laptop the whole platform is local."""
    assert {"prefect-server", "mlflow", "dask-scheduler", "dask-workers", "prefect-worker"} <= set(
        services(Settings(home=tmp_path))
    )


@pytest.mark.parametrize(
    ("settings", "absent"),
    [
        ({"prefect": PrefectSettings(url="https://prefect.example.org/api")}, {"prefect-server"}),
        ({"mlflow": MlflowSettings(uri="https://mlflow.example.org")}, {"mlflow"}),
        ({"dask": DaskSettings(address="tcp://dask.example.org:8786")}, {"dask-scheduler", "dask-workers"}),
    ],
)
def test_engines_elsewhere_are_not_started(tmp_path: Path, settings: dict[str, object], absent: set[str]) -> None:
    """A given address is somebody else's engine: it is used, not started."""
    assert not absent & set(services(Settings(home=tmp_path, **settings)))


def test_mlflow_accepts_its_own_address_only(tmp_path: Path) -> None:
    """MLflow answers 403 to Host headers it does not know, with and without the port."""
    command = services(Settings(home=tmp_path, mlflow=MlflowSettings(uri="http://127.0.0.1:5050")))["mlflow"].command
    hosts = command[command.index("--allowed-hosts") + 1]
    assert hosts == "127.0.0.1,127.0.0.1:5050,localhost,localhost:5050"


def test_worker_waits_for_the_server(tmp_path: Path) -> None:
    """The Prefect worker ends with an error when there is no server yet, so it is started after it."""
    found = services(Settings(home=tmp_path))
    assert found["prefect-worker"].wait_for == ("127.0.0.1:4200",)
    assert found["dask-workers"].wait_for == ("127.0.0.1:8786",)


def test_nothing_leaves_the_machine(tmp_path: Path) -> None:
    """Telemetry of all engines is off, in every process."""
    environment = stack_environment(StackRecord.of(Settings(home=tmp_path), root=tmp_path))
    assert environment["DO_NOT_TRACK"] == "1"
    assert environment["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_state_stays_in_the_home(tmp_path: Path) -> None:
    """Prefect's home is in the stack's, not in the user's."""
    environment = stack_environment(StackRecord.of(Settings(home=tmp_path), root=tmp_path))
    assert environment["PREFECT_HOME"] == str(tmp_path / "prefect")


def test_services_ignore_packages_of_the_folder(tmp_path: Path) -> None:
    """A user's own flows/ folder is not imported in place of ours."""
    assert service_environment(StackRecord.of(Settings(home=tmp_path), root=tmp_path))["PYTHONSAFEPATH"] == "1"
