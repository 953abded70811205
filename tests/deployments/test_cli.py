"""The command line: help that teaches, errors that say what to do."""

import importlib.metadata
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

from deployments.cli import app
from deployments.extras import EXTRAS
from tests.conftest import clean_environment, sluice

COMMANDS: dict[str, typer.core.TyperCommand] = get_command(app).commands  # type: ignore[attr-defined]


def test_help_is_quick() -> None:
    """Nothing heavy is imported for --help; half a second is the most a person should wait for it."""
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-X", "importtime", "-m", "deployments.cli", "--help"], capture_output=True)
    taken = time.monotonic() - begun
    assert done.returncode == 0
    imported = done.stderr.decode()
    for heavy in ("prefect", "mlflow", "distributed", "polars", "pandas", "pydantic", "httpx"):
        assert f" {heavy}\n" not in imported
    # Generous, because tests run beside others; the imports above are what makes it slow.
    assert taken < 3


def _leaves(commands: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Commands that do something, by what is typed: a group such as ``sluice data`` only leads to others."""
    for name, command in commands.items():
        if hasattr(command, "commands"):
            yield from _leaves(command.commands, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


LEAVES = dict(_leaves(COMMANDS))


@pytest.mark.parametrize("name", sorted(LEAVES))
def test_every_command_explains_itself(name: str) -> None:
    """Each command says what it does, and each of its options has a help text."""
    command = LEAVES[name]
    assert len((command.help or "").split()) >= 5
    for parameter in command.params:
        if parameter.name != "help":
            assert getattr(parameter, "help", None), f"{name} {parameter.name}"


@pytest.mark.parametrize("name", sorted(LEAVES))
def test_help_has_examples(name: str) -> None:
    """Every command shows how it is used, in lines that a narrow terminal does not break."""
    first, *rest = (LEAVES[name].help or "").split("\n\n")
    assert f"sluice {name}" in "".join(rest), first
    assert [line for paragraph in rest for line in paragraph.splitlines() if len(line) > 79] == []


@pytest.mark.parametrize(
    "name", ["status", "history", "models", "promote", "rollback", "use-cases", "run", "watch", "doctor"]
)
def test_scripts_get_json(name: str) -> None:
    """What a script wants to read has --json."""
    assert any("--json" in parameter.opts for parameter in COMMANDS[name].params)


def test_json_is_all_of_the_output(tmp_path: Path) -> None:
    """Nothing but JSON is on standard output."""
    done = sluice("use-cases", "--json", cwd=tmp_path, env=clean_environment(tmp_path))
    assert {"movies", "tiny"} <= {config["name"] for config in json.loads(done.stdout)}


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("down",),
        ("run", "movies"),
        ("run", "movies", "--inline"),
        ("deploy",),
        ("watch", "x"),
        ("models",),
        # The same as models in all that can go wrong here, and each imports MLflow.
        pytest.param(("history", "movies"), marks=pytest.mark.slow),
        pytest.param(("promote", "movies", "1"), marks=pytest.mark.slow),
        pytest.param(("rollback", "movies"), marks=pytest.mark.slow),
    ],
)
def test_without_a_stack_each_command_says_one_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """An expected failure is one line that says what to do, without a traceback, and exit code 1."""
    nobody = {
        "SLUICE_PREFECT__URL": "http://127.0.0.1:9/api",
        "SLUICE_MLFLOW__URI": "http://127.0.0.1:9",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    }
    done = sluice(*arguments, cwd=tmp_path, env=clean_environment(tmp_path) | nobody)
    assert done.returncode == 1, done.stdout
    assert len(done.stdout.splitlines()) == 1, done.stdout
    assert done.stdout.startswith("error ")


def test_wrong_setting_is_one_line(tmp_path: Path) -> None:
    """An invalid SLUICE_* variable is named, without a traceback, and the exit code is 1."""
    env = clean_environment(tmp_path) | {"SLUICE_SERVING__PORT": "eight"}
    done = sluice("status", cwd=tmp_path, env=env)
    assert done.returncode == 1
    assert "SLUICE_SERVING__PORT" in done.stdout
    assert "Traceback" not in done.stdout


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    """SLUICE_DEBUG=1 shows where an error comes from."""
    env = clean_environment(tmp_path) | {"SLUICE_SERVING__PORT": "eight", "SLUICE_DEBUG": "1"}
    assert "Traceback" in sluice("status", cwd=tmp_path, env=env).stdout


def test_unwritable_home_says_what_to_do(tmp_path: Path) -> None:
    """A home that cannot be made is named, with the variable that moves it."""
    (tmp_path / "file").touch()
    done = sluice("up", cwd=tmp_path, env=clean_environment(tmp_path / "file" / "home"))
    assert done.returncode == 1
    assert "SLUICE_HOME" in done.stdout
    assert "Traceback" not in done.stdout


def test_missing_extra_is_named(tmp_path: Path) -> None:
    """A module that is not installed leads to the command that installs it, not to a traceback."""
    code = "import sys; sys.modules['supervisor'] = None; sys.argv[1:] = ['up']; import deployments.cli as c; c.main()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=clean_environment(tmp_path), capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "uv sync --extra stack" in " ".join(done.stderr.split())


def test_extras_are_those_of_the_project() -> None:
    """Each module that a message can name comes with an extra that exists."""
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert set(EXTRAS.values()) <= project["optional-dependencies"].keys()


def test_version_is_the_installed_one(tmp_path: Path) -> None:
    """One line, for a report of a problem."""
    done = sluice("--version", cwd=tmp_path, env=clean_environment(tmp_path / ".sluice"))
    assert done.returncode == 0
    assert done.stdout.strip() == importlib.metadata.version("sluice")
