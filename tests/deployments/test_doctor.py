"""doctor: what it finds, and what it says to do."""

import socket
from pathlib import Path

import pytest

from deployments.doctor import Finding, examine
from sluice.settings import ServingSettings, Settings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def findings(settings: Settings, check: str) -> list[Finding]:
    return [finding for finding in examine(settings, None) if finding.check == check]


def test_every_finding_that_is_not_well_has_a_way_out(folder: Path) -> None:
    """A check that only complains helps nobody."""
    (folder / "flows").mkdir()
    (folder / "prefect.yaml").write_text("name: mine\n")
    found = list(examine(Settings(home=folder / ".sluice"), None))
    assert {"python", "extras", "folder", "shadowing", "prefect.yaml", "ports"} <= {finding.check for finding in found}
    assert all(finding.todo for finding in found if finding.level != "ok")


def test_folder_that_hides_ours_is_found(folder: Path) -> None:
    """A user's own flows/ would be imported in place of ours by whatever is started there."""
    assert findings(Settings(home=folder / ".sluice"), "shadowing")[0].level == "ok"
    (folder / "serving.py").touch()
    (finding,) = findings(Settings(home=folder / ".sluice"), "shadowing")
    assert finding.level == "warning"
    assert "serving" in finding.text


def test_sluices_own_folders_hide_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In Sluice's own repository its folders are the packages."""
    monkeypatch.chdir(Path(__file__).parents[2])
    assert findings(Settings(home=folder / ".sluice"), "shadowing")[0].level == "ok"


def test_stale_prefect_yaml_is_found(folder: Path) -> None:
    """A prefect.yaml that no longer matches the use cases, and the command that renders it."""
    assert findings(Settings(home=folder), "prefect.yaml") == []
    (folder / "prefect.yaml").write_text("name: old\n")
    (finding,) = findings(Settings(home=folder), "prefect.yaml")
    assert finding.level == "warning"
    assert finding.todo == "sluice deploy --render"


def test_taken_port_is_found(folder: Path) -> None:
    """Before anything is started, a port that another process has is a problem with two ways out."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        settings = Settings(home=folder, serving=ServingSettings(port=port))
        found = [finding for finding in findings(settings, "ports") if str(port) in finding.text]
    assert [finding.level for finding in found] == ["problem"]
    assert "SLUICE_SERVING__PORT" in found[0].todo


def test_unwritable_folder_is_found(folder: Path) -> None:
    """A home below a file cannot be made."""
    (folder / "file").touch()
    (finding,) = findings(Settings(home=folder / "file" / "home"), "folder")
    assert finding.level == "problem"
    assert "SLUICE_HOME" in finding.todo
