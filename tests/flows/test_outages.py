"""What a run says and does while MLflow or the document store is away, and what it keeps to itself."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pymongo
import pytest
from mlflow.tracking import MlflowClient

from sluice.models import open_registry
from tests import runs
from tests.conftest import Stack
from tests.mongodb import secantusdb

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.waits]

PASSWORD = "hunter2secret"
DEAD = "127.0.0.1:9"
# A flow and its Dask workers in processes of their own, because the stack's workers have the stack's addresses.
STAGE = """
from flows.train import train
if __name__ == "__main__":
    state = train("tiny", return_state=True)
    print("run", state.state_details.flow_run_id, state.type.name, flush=True)
"""


@dataclass(frozen=True)
class Outage:
    """A run of train during which the document store came back and MLflow did not.

    Attributes:
        printed: by the flow's process and its workers.
        state: the run's final state and its message.
        log: the run's lines in Prefect, tracebacks among them if there are any.
        versions: registered versions of the use case, before and after.
        open_runs: MLflow runs that began and did not end.
    """

    printed: str
    state: str
    message: str
    log: str
    versions: tuple[int, int]
    open_runs: int


@pytest.fixture(scope="module")
def outage(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Outage:
    folder = tmp_path_factory.mktemp("outage")
    script, output = folder / "stage.py", folder / "output"
    script.write_text(STAGE)
    before = len(open_registry(stack.settings).versions("tiny"))
    with ExitStack() as ends, output.open("w") as printing:
        documents = ends.enter_context(secantusdb(folder))
        with pymongo.MongoClient(f"mongodb://{documents.address}/") as client:
            client.admin.command("createUser", "user", pwd=PASSWORD, roles=["root"])
        os.kill(documents.pid, signal.SIGSTOP)
        env = dict(stack.env) | {
            "SLUICE_DASK__ADDRESS": "",
            "SLUICE_DASK__WORKERS": "1",
            "SLUICE_DOCUMENTS__URI": f"mongodb://user:{PASSWORD}@{documents.address}/",
            "SLUICE_MLFLOW__URI": f"http://user:{PASSWORD}@{DEAD}",
            "PYTHONUNBUFFERED": "1",
        }
        flow = subprocess.Popen(
            [sys.executable, str(script)], cwd=folder, env=env, stdout=printing, stderr=subprocess.STDOUT
        )
        ends.callback(_end, flow)
        _until(output, "Retry 1/3")
        os.kill(documents.pid, signal.SIGCONT)
        assert flow.wait(120) == 0, output.read_text()
    printed = output.read_text()
    ended = re.search(r"^run (\S+) (\w+)$", printed, re.MULTILINE)
    assert ended, printed
    run_id, state = ended.groups()
    mlflow = MlflowClient(stack.settings.mlflow.uri)
    experiments = [experiment.experiment_id for experiment in mlflow.search_experiments()]
    return Outage(
        printed=printed,
        state=state,
        message=runs.wait(stack, run_id).message,
        log=runs.log(stack, run_id, level=0, needle="MLflow at"),
        versions=(before, len(open_registry(stack.settings).versions("tiny"))),
        open_runs=len(mlflow.search_runs(experiments, "attributes.status = 'RUNNING'")),
    )


def test_an_outage_is_one_clear_line_and_a_retry(outage: Outage) -> None:
    """The document store hung first: one line says so and that there is another try, which found it back."""
    lines = [line for line in outage.log.splitlines() if "document store" in line]
    assert "The document store at mongodb://127.0.0.1:" in lines[0]
    assert "does not answer. Start it, or set SLUICE_DOCUMENTS__URI" in lines[0]
    # A busy machine may need a second try; never is it the last, and each is one line.
    assert [f"Retry {number}/3" in line for number, line in enumerate(lines, 1)] == [True] * len(lines)
    assert "MLflow at" in outage.message


def test_an_outage_that_lasts_fails_the_run_with_one_clear_line(outage: Outage) -> None:
    """MLflow stayed away: after its retries the run failed, its state says which address and what to do."""
    assert outage.state == "FAILED"
    assert outage.message.startswith(f"MLflow at http://{DEAD} does not answer. Start it ('sluice up'), or set SLUICE_")
    assert "\n" not in outage.message
    assert [f"Retry {n}/3" in outage.log for n in (1, 2, 3)] == [True] * 3
    assert outage.message in outage.log
    assert "Traceback" not in outage.printed + outage.log


def test_an_outage_leaves_nothing_half_registered(outage: Outage) -> None:
    """No version, and no run in MLflow that began and never ends."""
    before, after = outage.versions
    assert after == before
    assert outage.open_runs == 0


def test_passwords_are_nowhere(outage: Outage, stack: Stack) -> None:
    """Neither the document store's nor MLflow's: not in what was printed, nor in anything that the stack has stored.

    Its Prefect has the run with states, logs, parameters, events and artifacts in its database.
    """
    assert PASSWORD not in outage.printed
    assert PASSWORD not in outage.message
    assert PASSWORD not in outage.log
    stored = [path for path in stack.settings.home.rglob("*") if path.is_file()]
    assert any(path.name == "prefect.db" for path in stored)
    assert [path for path in stored if PASSWORD.encode() in path.read_bytes()] == []


def _until(output: Path, needle: str, timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while needle not in output.read_text():
        assert time.monotonic() < deadline, output.read_text()
        time.sleep(0.1)


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
        process.wait(15)
