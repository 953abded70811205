"""A release's life on a cluster, from its install to what its uninstall leaves. The tests go on from each other."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.kubectl import Object, until
from tests.cluster.platform import READY_SECONDS, RUN_SECONDS, USE_CASE, Platform
from tests.cluster.visitor import KNOCKING, answered, asked, failures, flows_image, said, visitor
from tests.cluster.workers import busy
from tests.helm.chart import RELEASE

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]
STAGES = ("ingest", "features", "train", "evaluate")
# Some seconds of search on two workers.
LONG_SEARCH = {
    "search": {
        "gradient_boosting": {
            "learning_rate": [0.02, 0.03, 0.04, 0.05, 0.06, 0.08],
            "iterations": [200, 300, 400],
            "max_depth": [2, 3, 4],
        }
    }
}
# What a namespace has by itself, of OpenShift too, and what is gone by itself.
NOT_OURS = {"configmap/kube-root-ca.crt", "configmap/openshift-service-ca.crt", "serviceaccount/default"}
PASSING = ("event", "endpoint", "lease", "podmetrics")


def jobs_of(platform: Platform, run_id: str) -> list[Object]:
    """The job of a run, and those of the stages that it started."""
    with platform.prefect() as prefect:
        wanted = {run_id, *(child.id for child in prefect.children(run_id))}
    jobs = platform.kubectl.items("jobs")
    return [job for job in jobs if job["metadata"]["labels"].get("prefect.io/flow-run-id") in wanted]


def test_install_makes_every_part_ready(platform: Platform) -> None:
    """In a namespace that takes restricted pods only. Nothing is killed or restarted on the way."""
    platform.install()
    pods = platform.kubectl.items("pods", instance=RELEASE)
    restarts = {
        pod["metadata"]["name"]: status["restartCount"]
        for pod in pods
        for status in pod["status"]["containerStatuses"]
        if status["restartCount"]
    }
    assert not restarts, platform.state()


def test_hook_has_registered_all(platform: Platform) -> None:
    """The pool with the release's own template, each deployment in it; the hook's job has gone."""
    assert f"{RELEASE}-deploy" not in platform.kubectl.names("jobs")
    with platform.prefect() as prefect:
        pool = prefect.request("GET", "/work_pools/sluice-kubernetes")
        deployments = list(prefect.every("/deployments/filter"))
        automations = prefect.request("POST", "/automations/filter", {})
    assert pool["type"] == "kubernetes"
    assert platform.kubectl.namespace in json.dumps(pool["base_job_template"])
    assert {one["work_pool_name"] for one in deployments} == {"sluice-kubernetes"}
    assert {one["name"] for one in deployments} >= {"movies", "diabetes"}
    assert any(schedule["active"] for one in deployments for schedule in one["schedules"])
    assert automations


def test_each_stage_is_a_job_of_its_own(platform: Platform) -> None:
    """A pipeline that is started by Prefect's API goes through the work pool; its model becomes champion."""
    run = platform.start(f"pipeline/{USE_CASE}")
    ended = platform.end(run)
    assert ended.completed, platform.log(run)
    assert len(jobs_of(platform, run)) == 1 + len(STAGES)
    # Prefect knows of the end before the pod has ended.
    until(lambda: all(job["status"].get("succeeded") for job in jobs_of(platform, run)), 120, platform.state)


def test_champion_answers(platform: Platform) -> None:
    """What the pipeline made is served, with no word to the service. `helm test` finds the same."""
    assert USE_CASE in platform.predict()
    platform.helm.test(RELEASE, timeout=RUN_SECONDS)


def test_somebody_elsewhere_starts_a_run_by_address(platform: Platform, tmp_path: Path) -> None:
    """`sluice run` on this machine, with Prefect's address and account alone: a job in the cluster does it."""
    with platform.kubectl.forward(f"service/{RELEASE}-prefect-server", 4200) as address:
        given = {
            "SLUICE_HOME": str(tmp_path),
            "SLUICE_PREFECT__URL": f"{address}/api",
            "SLUICE_PREFECT__AUTH": platform.secret("secrets", "prefect-auth"),
        }
        sluice = Path(sys.executable).with_name("sluice")
        command = [str(sluice), "run", USE_CASE, "--flow", "ingest", "--json"]
        done = subprocess.run(
            command, env={**os.environ, **given}, cwd=tmp_path, capture_output=True, text=True, timeout=900, check=False
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(jobs_of(platform, json.loads(done.stdout)["id"])) == 1


def test_policies_keep_strangers_out(platform: Platform) -> None:
    """Dask asks nobody who they are. A pod that is not the release's reaches none of its parts."""
    places = [f"{RELEASE}-dask-scheduler:8786", f"{RELEASE}-postgresql:5432", f"{RELEASE}-serving:8000"]
    image = flows_image(platform)
    platform.kubectl.make(visitor("stranger", image, KNOCKING, *places))
    platform.kubectl.make(visitor("guest", image, KNOCKING, *places, component="test"))
    told = {}
    for name in ("stranger", "guest"):
        until(lambda name=name: _phase(platform, name) == "Succeeded", READY_SECONDS, platform.state)  # type: ignore[misc]
        told[name] = [line.split()[1] for line in said(platform, name)]
        platform.kubectl("delete", "pod", name)
    assert told == {"stranger": ["closed"] * 3, "guest": ["closed", "closed", "open"]}


def _phase(platform: Platform, name: str) -> str:
    return str(platform.kubectl.one("pod", name)["status"]["phase"])


def test_killed_dask_worker_costs_no_run(platform: Platform) -> None:
    """The pod that computes is killed without a word; another does its tasks again, and a new one takes its place."""
    run = platform.start(f"train/{USE_CASE}", {"params": LONG_SEARCH})
    victim, *_ = until(
        lambda: busy(platform), RUN_SECONDS, lambda: f"{platform.read(run)}\n{platform.state()}", poll=0.2
    )
    platform.kubectl("delete", "pod", victim, "--grace-period=0", "--force")
    ended = platform.end(run)
    assert ended.completed, platform.log(run)
    platform.ready("dask-worker")
    assert victim not in platform.kubectl.names("pods", component="dask-worker")


def test_killed_prefect_server_costs_no_run(platform: Platform) -> None:
    """Its pod is killed while a run is under way: the run goes on when a new one answers."""
    run = platform.start(f"pipeline/{USE_CASE}", {"params": {"seed": 7}})
    until(lambda: _has_begun(platform, run), RUN_SECONDS, platform.state)
    (victim,) = platform.kubectl.names("pods", component="prefect-server")
    platform.kubectl("delete", "pod", victim, "--grace-period=0", "--force")
    platform.ready("prefect-server")
    ended = platform.end(run)
    assert ended.completed, platform.log(run)
    assert victim not in platform.kubectl.names("pods", component="prefect-server")


def _has_begun(platform: Platform, run_id: str) -> bool:
    with platform.prefect() as prefect:
        return any(child.state_type == "RUNNING" for child in prefect.children(run_id))


def environment(platform: Platform) -> Any:
    return platform.kubectl.one("configmap", f"{RELEASE}-settings")["data"]["SLUICE_LOG_LEVEL"]


def test_upgrade_under_load_fails_no_request(platform: Platform) -> None:
    """Every pod is started anew with another setting, while predictions are asked for all the time."""
    before = platform.kubectl.names("pods", component="serving")
    with asked(platform) as lines:
        platform.upgrade({"logLevel": "DEBUG"})
    assert failures(lines) == []
    assert answered(lines) > 50
    assert environment(platform) == "DEBUG"
    assert not before & platform.kubectl.names("pods", component="serving")


def test_rollback_is_what_was_installed(platform: Platform) -> None:
    """The first revision's settings, with the data, the passwords and the champion of now."""
    passwords = platform.secret("postgresql", "password")
    platform.rollback(1)
    assert environment(platform) == "INFO"
    assert platform.secret("postgresql", "password") == passwords
    assert USE_CASE in platform.predict()
    with platform.prefect() as prefect:
        assert prefect.runs_of(_deployment(platform), state={"type": {"any_": ["COMPLETED"]}})


def _deployment(platform: Platform) -> str:
    with platform.prefect() as prefect:
        return str(prefect.request("GET", f"/deployments/name/pipeline/{USE_CASE}")["id"])


def left(platform: Platform) -> set[str]:
    """Everything in the namespace, of whatever kind, as kind/name."""
    kinds = platform.kubectl("api-resources", "--verbs=list", "--namespaced", "--output=name").split()
    wanted = ",".join(kind for kind in kinds if not kind.startswith(PASSING))
    found = platform.kubectl("get", wanted, "--output=name", "--ignore-not-found").split()
    return {one for one in found if one not in NOT_OURS}


def test_uninstall_leaves_the_volumes_that_are_kept(platform: Platform) -> None:
    """And the password of a database with its volume: nothing of runs, of hooks or of Helm."""
    platform.helm.uninstall(RELEASE, timeout=600)
    kept = {"data", "postgresql", "mongodb"}
    expected = {f"persistentvolumeclaim/{RELEASE}-{name}" for name in kept}
    expected |= {f"secret/{RELEASE}-{name}" for name in kept - {"data"}}
    until(lambda: left(platform) == expected, 300, lambda: str(sorted(left(platform) ^ expected)))
