"""The files that turn a bare virtual machine into the server of docs/compose.md."""

import configparser
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "deployments" / "cloud-init"
COMPOSE = yaml.safe_load((REPOSITORY / "deployments" / "compose.yaml").read_text(encoding="utf-8"))
VARIANTS = ("dev", "prod")


@cache
def content(variant: str) -> dict[str, Any]:
    text = (FOLDER / f"{variant}.yaml").read_text(encoding="utf-8")
    # Without this line cloud-init takes it for something else, and does nothing.
    assert text.startswith("#cloud-config\n")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def files(variant: str) -> dict[str, str]:
    return {one["path"]: one["content"] for one in content(variant)["write_files"]}


def unit(variant: str, path: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names of systemd have capitals
    parser.read_string(files(variant)[path])
    return parser


@pytest.mark.parametrize("variant", VARIANTS)
def test_scripts_are_shell(variant: str) -> None:
    """Bash reads each, and it stops at the first step that fails."""
    for one in content(variant)["write_files"]:
        if one["content"].startswith("#!"):
            assert one["permissions"] == "0755"
            assert "set -euo pipefail" in one["content"]
            subprocess.run(["bash", "-n"], input=one["content"], text=True, check=True)


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_run_is_written(variant: str) -> None:
    """A script or a unit that a command names is one of the files, but for Docker's own."""
    written = set(files(variant))
    for command in content(variant)["runcmd"]:
        for word in command:
            if word.startswith("/usr/local/"):
                assert word in written
            if word.endswith((".service", ".timer")) and word != "docker.service":
                assert f"/etc/systemd/system/{word}" in written


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_starts_what_the_documentation_starts(variant: str) -> None:
    """The same file of Compose, by an account that is in Docker's group and that nobody logs in as."""
    service = unit(variant, "/etc/systemd/system/sluice.service")["Service"]
    assert "-f deployments/compose.yaml up --detach --wait --scale dask-worker=" in service["ExecStart"]
    (account,) = [one for one in content(variant)["users"] if isinstance(one, dict)]
    assert service["User"] == account["name"]
    # After Docker's package, which makes the group and fails where one of that name is there already.
    assert ["usermod", "--append", "--groups", "docker", account["name"]] in content(variant)["runcmd"]
    assert account["shell"] == "/usr/sbin/nologin"
    assert "make" in (install := files(variant)["/usr/local/lib/sluice/install"])
    assert "compose-passwords" in install


@pytest.mark.parametrize("variant", VARIANTS)
def test_variables_are_those_of_compose(variant: str) -> None:
    """One that Compose does not read would change nothing; none is a password."""
    text = (REPOSITORY / "deployments" / "compose.yaml").read_text(encoding="utf-8")
    names = re.findall(r"^(\w+)=", files(variant)["/etc/sluice/variables"], re.MULTILINE)
    assert names
    for name in names:
        assert f"${{{name}:-" in text
        assert not re.search("PASSWORD|KEY|TOKEN", name)


def test_production_builds_nothing() -> None:
    """It takes images that were tried elsewhere, by their digests, and a tag of the repository."""
    given = files("prod")
    assert "make images" not in given["/usr/local/lib/sluice/install"]
    images = re.findall(r"^(?:FLOWS|SERVING)_IMAGE=(\S+)$", given["/etc/sluice/variables"], re.MULTILINE)
    assert len(images) == 2
    assert all(re.search(r"@sha256:[0-9a-f]{64}$", image) for image in images)
    assert re.search(r"REVISION=v\d", given["/etc/sluice/source"])


def test_production_is_closed() -> None:
    """No password opens it over SSH, and the firewall lets SSH in and nothing else."""
    assert content("prod")["ssh_pwauth"] is False
    allowed = [command for command in content("prod")["runcmd"] if command[:2] == ["ufw", "allow"]]
    assert allowed == [["ufw", "allow", "OpenSSH"]]
    assert ["ufw", "default", "deny", "incoming"] in content("prod")["runcmd"]


def test_backup_is_the_one_that_is_documented() -> None:
    """The services that are stopped, the volumes and the dumps are those of docs/compose.md, and Compose has them."""
    documented = (REPOSITORY / "docs" / "compose.md").read_text(encoding="utf-8")
    script = files("prod")["/usr/local/lib/sluice/backup"]
    patterns = (r"stop ([a-z -]{20,})$", r"(--volume sluice_.*?) --user", r"(pg_dumpall \S+ \w+)", r"(mongodump .*?)'")
    for pattern in patterns:
        (wanted,) = set(re.findall(pattern, documented, re.MULTILINE))
        assert re.findall(pattern, script, re.MULTILINE) == [wanted]
    stopped = re.search(r"compose stop (.*)", script)
    assert stopped
    assert set(stopped[1].split()) <= COMPOSE["services"].keys()
    assert set(re.findall(r"sluice_(\w+):", script)) <= COMPOSE["volumes"].keys()
