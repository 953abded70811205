"""Which services a stack starts, and with what."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from deployments.commands.stack import report
from deployments.local.environment import exports, secret_environment, service_environment, stack_environment
from deployments.local.record import StackRecord
from deployments.local.service import Service
from deployments.local.services import local_services
from deployments.local.watching import missing_packages
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


def test_the_dashboards_stay_on_this_machine(tmp_path: Path) -> None:
    """Also where the scheduler is meant to be reached by others: a proxy that asks who they are shows the pages."""
    settings = Settings(home=tmp_path, host="0.0.0.0", dask=DaskSettings(exposed=True, ui="https://dask.example.org"))
    found = services(settings)
    scheduler, workers = found["dask-scheduler"].command, found["dask-workers"].command
    assert scheduler[scheduler.index("--host") + 1] == "0.0.0.0"
    for command in (scheduler, workers):
        assert command[command.index("--dashboard-address") + 1].startswith("127.0.0.1:")
    record = StackRecord.of(settings, root=tmp_path)
    assert record.dask_dashboard == "http://127.0.0.1:8787"
    assert record.dask_ui == "https://dask.example.org"
    assert StackRecord.of(Settings(home=tmp_path), root=tmp_path).dask_ui == "http://127.0.0.1:8787"


def test_passwords_go_by_the_environment_only(tmp_path: Path) -> None:
    """No command line and no environment that is written to a file has one; clients get them all."""
    settings = Settings(
        home=tmp_path,
        prefect=PrefectSettings(auth=SecretStr("sluice:prefect-password")),
        mlflow=MlflowSettings(username="keeper", password=SecretStr("mlflow-password")),
    )
    record = StackRecord.of(settings, root=tmp_path)
    for service in services(settings).values():
        written = str(service) + str(service_environment(record))
        assert "prefect-password" not in written
        assert "mlflow-password" not in written
    assert "deployments.local.mlflow_server" in services(settings)["mlflow"].command
    assert secret_environment(settings) == {
        "PREFECT_API_AUTH_STRING": "sluice:prefect-password",
        "PREFECT_SERVER_API_AUTH_STRING": "sluice:prefect-password",
        "MLFLOW_TRACKING_USERNAME": "keeper",
        "MLFLOW_TRACKING_PASSWORD": "mlflow-password",
    }
    assert secret_environment(Settings(home=tmp_path)) == {}


def test_status_prints_no_password_of_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither exports, which refer to the setting that has it, nor addresses; what has none is as it was."""
    for name, value in {
        "SLUICE_HOME": str(tmp_path),
        "SLUICE_MLFLOW__URI": "https://user:hunter2/@mlflow.example.org",
        "SLUICE_PREFECT__URL": "https://user:hunter2@prefect.example.org/api",
        "SLUICE_DASK__ADDRESS": "tcp://user:hunter2@dask.example.org:8786",
        "SLUICE_DASK__DASHBOARD": "https://user:hunter2@dask.example.org",
    }.items():
        monkeypatch.setenv(name, value)
    record = StackRecord.of(Settings.load(), root=tmp_path)
    lines = list(exports(record))
    assert 'export MLFLOW_TRACKING_URI="$SLUICE_MLFLOW__URI"' in lines
    assert 'export SLUICE_MLFLOW__URI="$SLUICE_MLFLOW__URI"' in lines
    assert 'export PREFECT_API_URL="$SLUICE_PREFECT__URL"' in lines
    assert f"export PREFECT_HOME={tmp_path}/prefect" in lines
    assert "hunter2" not in "".join(lines)
    for as_json in (True, False):
        report(record, Settings.load(), as_json)
        printed = capsys.readouterr().out
        assert "mlflow.example.org" in printed
        assert "hunter2" not in printed
    assert record.prefect_ui == "https://prefect.example.org"
    monkeypatch.delenv("SLUICE_MLFLOW__URI")
    assert "hunter2" not in "".join(exports(record))


def test_what_watches_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prometheus and its kin are started on request, as far as they are installed, and on 127.0.0.1 only."""
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = Settings(home=tmp_path, host="0.0.0.0", dask=DaskSettings(exposed=True))
    record = StackRecord.of(settings, root=tmp_path)
    without = {service.name for service in local_services(record, settings, observe=True)}
    assert without == set(services(settings))
    assert missing_packages() == ["prometheus", "prometheus-alertmanager", "prometheus-node-exporter"]
    for name in ("prometheus", "alertmanager", "node_exporter"):  # as they are called outside of Debian
        (tmp_path / name).touch(mode=0o755)
    assert missing_packages() == []
    added = {service.name: service for service in local_services(record, settings, observe=True)}
    assert set(added) - without == {"prometheus", "alertmanager", "node-exporter"}
    for name in set(added) - without:
        assert any(part.startswith("--web.listen-address=127.0.0.1:") for part in added[name].command)
