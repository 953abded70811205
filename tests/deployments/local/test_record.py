"""stack.json: which addresses a folder's commands use."""

from pathlib import Path

import pytest

from deployments.local.environment import stack_environment
from deployments.local.record import StackRecord, current_stack, is_local, port_of, read_record, record_path
from sluice.settings import DaskSettings, MlflowSettings, PrefectSettings, Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def test_record_is_read_back(settings: Settings, tmp_path: Path) -> None:
    """What `up` wrote is what every other command reads."""
    record = StackRecord.of(settings, root=tmp_path)
    record.write()
    assert read_record(tmp_path) == record


@pytest.mark.parametrize("content", ["", "{", "[]", '{"home": 3}'])
def test_damaged_record_counts_as_none(tmp_path: Path, content: str) -> None:
    """Half a file, from a full disk or an older version, does not stop `up` or `down`."""
    record_path(tmp_path).write_text(content)
    assert read_record(tmp_path) is None


@pytest.mark.parametrize(
    ("ui", "pages"), [("", "http://prefect:4200"), ("https://prefect.example.com/", "https://prefect.example.com")]
)
def test_links_lead_where_people_reach_prefect(ui: str, pages: str, tmp_path: Path) -> None:
    """In a container the commands ask the server by a name that no browser knows. A password is in no link."""
    prefect = PrefectSettings(url="http://user:secret@prefect:4200/api", ui=ui)
    record = StackRecord.of(Settings(home=tmp_path, prefect=prefect), root=tmp_path)
    assert record.prefect_ui == pages


def test_free_ports_differ(settings: Settings, tmp_path: Path) -> None:
    """A second stack gets ports of its own, each of its services another one."""
    record = StackRecord.of(settings, root=tmp_path).on_free_ports(settings)
    addresses = [record.prefect_url, record.mlflow_uri, record.dask_address, record.dask_dashboard, record.serving_url]
    ports = {port_of(address) for address in addresses}
    assert len(ports) == 5
    assert not ports & {4200, 5000, 8786, 8787, 8000}


def test_engines_elsewhere_keep_their_address(tmp_path: Path) -> None:
    """--free-ports moves what is started here, not what somebody else runs."""
    settings = Settings(
        home=tmp_path,
        mlflow=MlflowSettings(uri="https://mlflow.example.org"),
        dask=DaskSettings(address="tcp://scheduler.example.org:8786"),
    )
    record = StackRecord.of(settings, root=tmp_path).on_free_ports(settings)
    assert record.mlflow_uri == "https://mlflow.example.org"
    assert record.dask_address == "tcp://scheduler.example.org:8786"


def test_commands_use_the_recorded_addresses(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command in the folder of a stack on free ports talks to that stack."""
    monkeypatch.setenv("SLUICE_HOME", str(tmp_path))
    record = StackRecord.of(settings, root=tmp_path).on_free_ports(settings)
    record.write()
    found, used = current_stack()
    assert found == record
    assert used.prefect.url == record.prefect_url
    assert used.mlflow.uri == record.mlflow_uri
    assert used.dask.address == record.dask_address
    assert used.serving.port == record.serving_port


def test_without_a_record_the_environment_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is up here, commands talk to what the environment names."""
    monkeypatch.setenv("SLUICE_HOME", str(tmp_path))
    monkeypatch.setenv("SLUICE_PREFECT__URL", "https://prefect.example.org/api")
    record, settings = current_stack()
    assert settings.prefect.url == "https://prefect.example.org/api"
    assert record.prefect_ui == "https://prefect.example.org"


@pytest.mark.parametrize(
    ("address", "local"),
    [("http://127.0.0.1:4200/api", True), ("http://localhost:5000", True), ("https://mlflow.example.org", False)],
)
def test_only_local_addresses_are_started(address: str, local: bool) -> None:
    """An engine is started only where its address is this machine."""
    assert is_local(address) is local


@pytest.mark.parametrize(
    ("variables", "dashboard"),
    [
        ({}, "http://127.0.0.1:8787"),
        ({"SLUICE_HOST": "10.0.0.5", "SLUICE_DASK__EXPOSED": "true"}, "http://127.0.0.1:8787"),
        ({"SLUICE_DASK__ADDRESS": "tcp://127.0.0.1:8786", "SLUICE_DASK__DASHBOARD_PORT": "1"}, "http://127.0.0.1:1"),
        ({"SLUICE_DASK__ADDRESS": "tcp://dask.example.org:8786"}, "http://dask.example.org:8787"),
        (
            {"SLUICE_DASK__ADDRESS": "tcp://dask.example.org:8786", "SLUICE_DASK__DASHBOARD": "https://at.example.org"},
            "https://at.example.org",
        ),
    ],
)
def test_everybody_asks_for_the_dashboard_where_it_listens(
    variables: dict[str, str], dashboard: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record, which Prometheus is configured from, commands, and the stack's processes by their environment."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    record = StackRecord.of(Settings.load(), root=tmp_path)
    assert record.dask_dashboard == dashboard
    assert record.applied_to(Settings.load()).dask_dashboard == dashboard
    for name, value in stack_environment(record).items():
        monkeypatch.setenv(name, value)
    assert Settings.load().dask_dashboard == dashboard
