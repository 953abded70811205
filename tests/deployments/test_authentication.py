"""A stack whose engines ask who one is: every client of ours knows the password, and it is written nowhere."""

import json
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
import pytest

from deployments.guard import MARKER
from deployments.local.record import StackRecord, read_record
from deployments.local.supervisor import Supervisor
from tests.conftest import clean_environment, sluice
from tests.observability.secret_settings import leaked as leaked_markers
from tests.observability.secret_settings import marker, secret_variables
from tests.receiver import Receiver, receiver

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.waits]

# Of engines that are to be this machine's own: a stack with these would use somebody else's.
ELSEWHERE = {
    "SLUICE_PREFECT__URL", "SLUICE_MLFLOW__URI", "SLUICE_DASK__ADDRESS", "SLUICE_LAKE__URI",
    "SLUICE_DOCUMENTS__URI", "SLUICE_EXPORTER__SERVING_URL",
}  # fmt: skip
PREFECT_ACCOUNT = f"sluice:{marker('SLUICE_PREFECT__AUTH')}"
PREFECT_PASSWORD = marker("SLUICE_PREFECT__AUTH")
MLFLOW_ACCOUNT = f"keeper:{marker('SLUICE_MLFLOW__PASSWORD')}"
MLFLOW_PASSWORD = marker("SLUICE_MLFLOW__PASSWORD")
KEY = f"sluice_bootstrapkey_{marker('SLUICE_SERVING__BOOTSTRAP_KEY')}"
# What is pushed cannot be asked for: the collector is no Loki.
NO_LOKI = {"SLUICE_LOGS__LOKI_URL": "", "SLUICE_LOGS__PUSH": "false"}
# The pairs also as a header has them.
PAIRS = tuple(b64encode(account.encode()).decode() for account in (PREFECT_ACCOUNT, MLFLOW_ACCOUNT))


def secrets(collector: Receiver) -> dict[str, str]:
    """Every secret that a stack of this machine's own can have, each a marker; lines and spans go to the collector."""
    pushed = collector.url.replace("http://", "http://user:{marker}@")
    every = secret_variables({"SLUICE_LOGS__LOKI_URL": pushed, "SLUICE_TRACES__OTLP_URL": pushed})
    kept = {variable: value for variable, value in every.items() if variable not in ELSEWHERE}
    return kept | {"SLUICE_PREFECT__AUTH": PREFECT_ACCOUNT, "SLUICE_MLFLOW__PASSWORD": MLFLOW_PASSWORD}


class Guarded(NamedTuple):
    root: Path
    record: StackRecord
    env: Mapping[str, str]
    collector: Receiver

    def sluice(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return sluice(*arguments, cwd=self.root, env={**self.env, **variables}, timeout=600)

    def serving(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {KEY}"}
        return httpx.request(
            method, self.record.serving_url + path, headers=headers, trust_env=False, timeout=30, **more
        )


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    root = tmp_path_factory.mktemp("guarded")
    home = root / ".sluice"
    with receiver() as collector:
        key_file = root / "key"
        key_file.touch(mode=0o600)
        key_file.write_text(KEY)
        env = {
            **clean_environment(home),
            **secrets(collector),
            "SLUICE_MLFLOW__USERNAME": "keeper",
            "SLUICE_SERVING__AUTH": "required",
            "SLUICE_OBSERVE__SERVING_KEY_FILE": str(key_file),
            "SLUICE_OBSERVE__SCRAPE_SECONDS": "2",
            "SLUICE_LOGS__PUSH": "true",
            "SLUICE_LOG_LEVEL": "DEBUG",
            "SLUICE_TRACES__SAMPLE": "1",
        }
        done = sluice("up", "--free-ports", "--observe", cwd=root, env=env)
        assert done.returncode == 0, done.stdout
        record = read_record(home)
        assert record
        try:
            yield Guarded(root, record, env, collector)
        finally:
            assert sluice("down", cwd=root, env=env).returncode == 0


def test_a_run_completes_and_is_served(guarded: Guarded) -> None:
    """Flows, workers, Dask's workers, the registry's client and the service sign in: tiny gets a champion."""
    done = guarded.sluice("run", "tiny")
    assert done.returncode == 0, done.stdout
    answer = guarded.serving("GET", "/models/tiny")
    assert answer.status_code == 200, answer.text
    assert answer.json()["version"] == "1"
    assert guarded.sluice("logs", "pipeline-tiny", "-n", "5", **NO_LOKI).returncode == 0
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
    assert leaked(guarded.env, exports.stdout) == []
    done = subprocess.run(
        ["bash", "-c", f'eval "$EXPORTS"; {sys.executable} -m prefect flow-run ls'],
        env={**guarded.env, "EXPORTS": exports.stdout},
        cwd=guarded.root,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_signs_in(guarded: Guarded) -> None:
    """At Prefect, at MLflow and at the service, all of which refuse who does not."""
    record, jobs = guarded.record, {"prefect", "mlflow", "sluice-serving", "sluice-exporter", "dask-workers"}
    for url in (f"{record.prefect_url}/metrics", f"{record.mlflow_uri}/metrics", f"{record.serving_url}/metrics"):
        assert httpx.get(url, trust_env=False, timeout=30).status_code == 401, url
    deadline = time.monotonic() + 180
    while True:
        asked = {"query": "min by (job) (up) == 1"}
        answer = httpx.get(f"{record.prometheus_url}/api/v1/query", params=asked, trust_env=False, timeout=30)
        found = {one["metric"]["job"] for one in answer.raise_for_status().json()["data"]["result"]}
        if jobs <= found:
            break
        assert time.monotonic() < deadline, jobs - found
        time.sleep(1)


def test_no_log_trace_metric_or_file_has_a_secret(guarded: Guarded) -> None:
    """After errors at every level: a step that logs and raises all it signs in with, runs that fail, bad requests."""
    record, home = guarded.record, guarded.record.home
    told = [guarded.sluice("run", "tiny", "--flow", "train", "-p", "blurt=SLUICE_", "--json")]
    assert told[0].returncode == 1, told[0].stdout
    for command in (("run", "tiny", "--flow", "monitor"), ("logs", "train-tiny"), ("logs", "exporter"), ("doctor",)):
        told.append(guarded.sluice(*command, **NO_LOKI))
        assert told[-1].returncode == 0, told[-1].stdout
    for path in ("/livez", "/metrics", "/runs", "/logs", "/models", "/workers", "/tasks", "/deployments", "/console/"):
        told.append(guarded.serving("GET", path))
    told.append(guarded.serving("POST", "/invocations?model=tiny", json={"inputs": {"x": ["one"]}}))
    told.append(guarded.serving("POST", "/runs", json={"deployment": "train/tiny", "params": {"blurt": 7}}))
    pages = [
        f"{record.exporter_url}/metrics", f"{record.prefect_url}/metrics", f"{record.mlflow_uri}/metrics",
        f"{record.dask_dashboard}/metrics", f"{record.prometheus_url}/api/v1/alerts",
        f"{record.prometheus_url}/api/v1/status/config", f"{record.prometheus_url}/api/v1/targets",
        f"{record.alertmanager_url}/api/v2/alerts", f"{record.alertmanager_url}/api/v2/status",
    ]  # fmt: skip
    for url in pages:
        user, password = (MLFLOW_ACCOUNT if url.startswith(record.mlflow_uri) else PREFECT_ACCOUNT).split(":")
        told.append(httpx.get(url, auth=(user, password), trust_env=False, timeout=30).raise_for_status())
    (failed,) = [run for run in guarded.serving("GET", "/runs?state=failed").json()["runs"] if run["flow"] == "train"]
    assert "cannot sign in with" in failed["message"], failed
    assert any("printed: SLUICE_" in one.stdout for one in told if not isinstance(one, httpx.Response))
    texts = [one.text if isinstance(one, httpx.Response) else one.stdout for one in told]
    assert leaked(guarded.env, *texts) == []

    # Those that say nothing while all goes well.
    supervisor, lines = Supervisor(home, record.root), guarded.collector.lines
    supervisor.stop("prefect-server")
    troubled = {"exporter", "catch-up", "serving", "prefect-worker", "dask-workers"}
    guarded.collector.until(lambda: {line.labels["service_name"] for line in lines} >= troubled, seconds=60)
    supervisor.start_again("prefect-server")
    assert (home / "logs" / "prefect-server.log").stat().st_size
    assert any("cannot sign in with" in line.text for line in guarded.collector.lines)
    assert {span.service for span in guarded.collector.spans} == {"sluice", "serving", "flow-run", "dask-workers"}
    assert leaked(guarded.env, *guarded.collector.bodies) == []

    # Prometheus takes passwords from files only, which are this user's alone.
    given = {path for path in (home / "run" / "observe").rglob("*") if path.is_file()}
    files = {path for path in home.rglob("*") if path.is_file()}
    assert len(files - given) > 100
    assert {path: found for path in files - given if (found := leaked(guarded.env, content(path)))} == {}
    assert [path for path in given if path.stat().st_mode & 0o077 and leaked(guarded.env, content(path))] == []


def test_no_command_line_has_a_secret(guarded: Guarded) -> None:
    """Other users of the machine can read those; nor are files that could have one for other users."""
    home = guarded.record.home
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
    assert leaked(guarded.env, *commands) == []


def content(path: Path) -> bytes:
    """Nothing of a file that its process has removed meanwhile."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def leaked(env: Mapping[str, str], *texts: str | bytes) -> list[str]:
    """The variables whose secret is in one of the texts, and the pairs that are."""
    together = b"\n".join(text.encode() if isinstance(text, str) else text for text in texts)
    return [*leaked_markers(env, together), *(pair for pair in PAIRS if pair.encode() in together)]


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
