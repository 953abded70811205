"""A stage that makes a Dask cluster of its own: Prefect, the stage and Dask are real, Kubernetes is not."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import runs
from tests.conftest import Stack
from tests.fakes.dask_operator import fake_dask_operator
from tests.helm.chart import Object
from tests.helm.kube_api import kube_api
from tests.helm.options import rendered

pytestmark = [pytest.mark.integration, pytest.mark.slow]

STAGE = """
from flows.ingest import ingest
if __name__ == "__main__":
    state = ingest("tiny", return_state=True)
    print("run", state.state_details.flow_run_id, state.type.name, flush=True)
"""


@dataclass(frozen=True)
class Ended:
    """A run of a stage, and what there was of it in Kubernetes.

    Attributes:
        made: the DaskClusters that there were.
        left: those that are there after it.
    """

    id: str
    state: str
    printed: str
    log: str
    message: str
    made: list[Object]
    left: list[Object]


def ran(stack: Stack, folder: Path, awake: bool) -> Ended:
    (folder / "stage.py").write_text(STAGE)
    spec = folder / "cluster.yaml"
    spec.write_text(rendered("dev", "dask per run").one("ConfigMap", "dask-cluster")["data"]["cluster.yaml"])
    env = dict(stack.env) | {"SLUICE_DASK__ADDRESS": "", "SLUICE_DASK__DASHBOARD": ""}
    own = {"KUBECONFIG": str(folder / "kubeconfig"), "SLUICE_DASK__PER_RUN__SPEC": str(spec)}
    with kube_api() as (api, kubeconfig), fake_dask_operator(api, env) as operator:
        operator.awake = awake
        (folder / "kubeconfig").write_text(kubeconfig)
        done = subprocess.run(
            [sys.executable, "stage.py"],
            cwd=folder,
            env=env | own | {"SLUICE_DASK__PER_RUN__START_SECONDS": "60" if awake else "5"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=200,
            check=False,
        )
        ended = re.search(r"^run (\S+) (\w+)$", done.stdout, re.MULTILINE)
        assert ended, done.stdout
        run, state = ended.groups()
        log = runs.log(stack, run, needle="first worker" if awake else "did not start")
        return Ended(
            id=run,
            state=state,
            printed=done.stdout,
            log=log,
            message=runs.wait(stack, run).message,
            made=operator.seen,
            left=api.of("DaskCluster"),
        )


@pytest.fixture(scope="module")
def ended(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return ran(stack, tmp_path_factory.mktemp("own-cluster"), awake=True)


def test_its_tasks_ran_there(ended: Ended) -> None:
    """It completed, on a cluster with its id, and as many workers as its use case asks for."""
    assert ended.state == "COMPLETED", ended.printed
    (cluster,) = ended.made
    assert cluster["metadata"]["labels"]["sluice-flow-run"] == ended.id
    assert cluster["spec"]["worker"]["replicas"] == 2
    assert f"The Dask cluster {cluster['metadata']['name']} has its first worker" in ended.log


def test_nothing_is_left_of_it(ended: Ended) -> None:
    """When the run has ended, its cluster has."""
    assert ended.left == []


def test_a_cluster_that_does_not_start_is_one_line(stack: Stack, tmp_path: Path) -> None:
    """The run has failed, and says what to look at."""
    ended = ran(stack, tmp_path, awake=False)
    assert ended.state == "FAILED"
    assert "See that dask-kubernetes-operator runs" in ended.message
    assert "Traceback" not in ended.printed + ended.log
    assert ended.left == []
