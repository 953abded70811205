"""A stack whose engines ask who one is: every client of ours knows the password, and it is written nowhere."""

import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil
import pytest

from deployments.guard import MARKER
from deployments.local.record import StackRecord, read_record
from tests.conftest import clean_environment, sluice

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.waits]

PREFECT_PASSWORD = "prefect-pass-8f2c61"
MLFLOW_PASSWORD = "mlflow-pass-5d90ab"
SECRETS = {
    "SLUICE_PREFECT__AUTH": f"sluice:{PREFECT_PASSWORD}",
    "SLUICE_MLFLOW__USERNAME": "keeper",
    "SLUICE_MLFLOW__PASSWORD": MLFLOW_PASSWORD,
}
# Also as a header has them.
PASSWORDS = (
    PREFECT_PASSWORD,
    MLFLOW_PASSWORD,
    b64encode(f"sluice:{PREFECT_PASSWORD}".encode()).decode(),
    b64encode(f"keeper:{MLFLOW_PASSWORD}".encode()).decode(),
)


class Guarded(NamedTuple):
    root: Path
    record: StackRecord
    env: Mapping[str, str]

    def sluice(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return sluice(*arguments, cwd=self.root, env={**self.env, **variables}, timeout=600)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    root = tmp_path_factory.mktemp("guarded")
    home = root / ".sluice"
    env = clean_environment(home) | SECRETS
    done = sluice("up", "--free-ports", cwd=root, env=env)
    assert done.returncode == 0, done.stdout
    record = read_record(home)
    assert record
    try:
        yield Guarded(root, record, env)
    finally:
        assert sluice("down", cwd=root, env=env).returncode == 0


def test_a_run_completes_and_is_served(guarded: Guarded) -> None:
    """Flows, workers, Dask's workers, the registry's client and the service sign in: tiny gets a champion."""
    done = guarded.sluice("run", "tiny")
    assert done.returncode == 0, done.stdout
    answer = httpx.get(f"{guarded.record.serving_url}/models/tiny", trust_env=False, timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.json()["version"] == "1"
    assert guarded.sluice("logs", "pipeline-tiny", "-n", "5").returncode == 0
    assert guarded.sluice("history", "tiny").returncode == 0
    status = guarded.sluice("status")
    assert status.returncode == 0, status.stdout


@pytest.mark.parametrize("account", [None, ("sluice", "another-password"), ("keeper", PREFECT_PASSWORD)])
def test_others_are_refused(guarded: Guarded, account: tuple[str, str] | None) -> None:
    """Nobody, and who has a wrong password: 401 of Prefect's API and of MLflow's, for reading and for writing."""
    record = guarded.record
    for url in (f"{record.prefect_url}/flow_runs/filter", f"{record.mlflow_uri}/api/2.0/mlflow/experiments/search"):
        body = {"limit": 1} if "prefect" not in url else {}
        assert httpx.post(url, json=body, auth=account, trust_env=False).status_code == 401, url
    assert httpx.get(f"{record.mlflow_uri}/", auth=account, trust_env=False).status_code == 401
    query = f"{record.mlflow_uri}/api/2.0/mlflow/registered-models/search"
    assert httpx.get(query, auth=account, trust_env=False).status_code == 401


def test_a_command_without_the_password_says_what_to_set(guarded: Guarded) -> None:
    """One line that names the setting."""
    for command, setting in ((("schedules", "list"), "SLUICE_PREFECT__AUTH"), (("status",), "SLUICE_PREFECT__AUTH")):
        done = guarded.sluice(*command, SLUICE_PREFECT__AUTH="")
        assert done.returncode == 1
        assert setting in done.stdout
        assert "Traceback" not in done.stdout
    wrong = guarded.sluice("promote", "tiny", "1", SLUICE_MLFLOW__PASSWORD="not-this-password")
    assert wrong.returncode == 1
    assert "SLUICE_MLFLOW__PASSWORD" in wrong.stdout


def test_the_engines_own_commands_get_it_from_the_stack(guarded: Guarded) -> None:
    """`eval "$(sluice status --env)"` is all they need, and prints no password."""
    exports = guarded.sluice("status", "--env")
    assert exports.returncode == 0
    assert not any(password in exports.stdout for password in PASSWORDS)
    done = subprocess.run(
        ["bash", "-c", f'eval "$EXPORTS"; {sys.executable} -m prefect flow-run ls'],
        env={**guarded.env, "EXPORTS": exports.stdout},
        cwd=guarded.root,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_passwords_are_written_nowhere(guarded: Guarded) -> None:
    """No log, no file of the supervisor or of MLflow's configuration, no process's command line has one."""
    home = guarded.record.home
    files = [path for folder in ("logs", "run") for path in (home / folder).iterdir() if path.is_file()]
    files += [home / "stack.json", home / "mlflow" / "basic_auth.ini", home / "prefect" / "prefect.db"]
    assert len(files) > 15
    for path in files:
        content = path.read_bytes()
        for password in PASSWORDS:
            assert password.encode() not in content, path
    for path in (home / "run").glob("*.json"):
        assert path.stat().st_mode & 0o077 == 0, path
    for name in ("users.db", "basic_auth.ini"):
        assert (home / "mlflow" / name).stat().st_mode & 0o077 == 0
    commands = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARKER, "").startswith(f"{home}:"):
                commands.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    assert len(commands) > 8
    assert not [command for command in commands if any(password in command for password in PASSWORDS)]


def test_dask_listens_for_this_machine_only(guarded: Guarded) -> None:
    """Neither the scheduler, nor a worker, nor a page of theirs is bound to another address."""
    home = guarded.record.home
    bound = set()
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARKER, "").startswith(f"{home}:dask"):
                bound |= {c.laddr.ip for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
        except psutil.Error:
            continue
    assert bound == {"127.0.0.1"}


@pytest.mark.rare
def test_a_new_password_counts_from_the_next_start(guarded: Guarded) -> None:
    """MLflow alone would keep the first one for ever."""
    env = {**guarded.env, "SLUICE_MLFLOW__PASSWORD": "mlflow-pass-of-tomorrow"}
    assert guarded.sluice("down").returncode == 0
    done = sluice("up", "--free-ports", cwd=guarded.root, env=env)
    assert done.returncode == 0, done.stdout
    record = read_record(guarded.record.home)
    assert record
    url = f"{record.mlflow_uri}/api/2.0/mlflow/registered-models/search"
    assert httpx.get(url, auth=("keeper", MLFLOW_PASSWORD), trust_env=False).status_code == 401
    found = httpx.get(url, auth=("keeper", "mlflow-pass-of-tomorrow"), trust_env=False)
    assert found.status_code == 200
    assert [model["name"] for model in json.loads(found.text)["registered_models"]] == ["tiny"]
