"""compose.yaml brought up: our own services, in a network of their own on this machine, with three Dask workers.

Its databases and what watches are images of others, which no registry brings here: in their place are SQLite, and a
server that speaks MongoDB's protocol. What is run is otherwise what the file says: images, commands, environment,
volumes, memory, rights, health checks.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployments.composition import PASSWORDS, RAW, filled, ours
from tests.deployments.podman import FLOWS, PREFIX, SERVING, Podman, missing

pytestmark = [
    pytest.mark.slow,
    pytest.mark.rare,
    pytest.mark.skipif(
        bool(missing()) or os.geteuid() != 0, reason="needs podman, debootstrap, and root for a network"
    ),
    pytest.mark.timeout(2400),
]
NETWORK = "sluice-test"
PROJECT = PREFIX.rpartition("/")[2].strip("-")
WORKERS = 3
# In their order, those that wait for health come after what they wait for.
LONG = ("prefect-server", "mlflow", "dask-scheduler")
THEN = ("dask-worker", "prefect-worker", "catch-up", "exporter", "serving")


def derived() -> dict[str, Any]:
    """What there is of it here: all in one network, so a service's name is this machine's."""
    content = filled(RAW, {**PASSWORDS, "FLOWS_IMAGE": FLOWS, "SERVING_IMAGE": SERVING})
    services = {name: content["services"][name] for name in RAW["services"] if name in {*LONG, *THEN, "register"}}
    for service in services.values():
        # Waiting for health is this test's: podman's own checks are timers of systemd.
        for key in ("networks", "ports", "depends_on", "logging", "scale"):
            service.pop(key, None)
        service["network_mode"] = "host"
        service["restart"] = "no"
        service["extra_hosts"] = [f"{name}:127.0.0.1" for name in RAW["services"]]
        service["environment"] = dict(service["environment"], SLUICE_DOCUMENTS__URI="mongodb://mongodb:27017/")
    del services["prefect-server"]["environment"]["PREFECT_SERVER_DATABASE_CONNECTION_URL"]
    services["mlflow"]["environment"]["MLFLOW_BACKEND_STORE_URI"] = "sqlite:////var/lib/sluice/mlflow/mlflow.db"
    return {
        "name": PROJECT,
        "services": services,
        "volumes": content["volumes"],
        "x-podman": {"in_pod": False},
    }


class Composition:
    """Args:
    folder: for the file.
    """

    def __init__(self, podman: Podman, folder: Path) -> None:
        self._podman, self.file = podman, folder / "compose.yaml"
        self.file.write_text(yaml.safe_dump(derived(), sort_keys=False))
        self._inside = ["nsenter", f"--net=/run/netns/{NETWORK}"]

    def inside(self, *command: str, timeout: float = 300, check: bool = True) -> str:
        """A command of this machine within the network."""
        done = subprocess.run(
            [*self._inside, *command],
            env=self._podman.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-6000:]}"
        return done.stdout

    def compose(self, *arguments: str, **options: Any) -> str:
        return self.inside(sys.executable, "-m", "podman_compose", "-f", str(self.file), *arguments, **options)

    def containers(self, service: str) -> list[str]:
        labels = {"project": PROJECT, "service": service}
        filters = [f"--filter=label=com.docker.compose.{name}={value}" for name, value in labels.items()]
        return self.inside("podman", "ps", "--all", "--quiet", *filters).split()

    def down(self) -> None:
        """All that is there of it: podman-compose leaves those that were scaled up, and the volumes that they hold."""
        for service in (*LONG, *THEN):
            for container in self.containers(service):
                self.inside("podman", "rm", "--force", "--time=10", container, check=False)
        self.compose("down", "--volumes", check=False)

    def wait_healthy(self, service: str, seconds: float = 180) -> None:
        """By the health check that compose.yaml gives it, run in the container."""
        deadline = time.monotonic() + seconds
        for container in self.containers(service):
            while said := self._wrong(container):
                assert time.monotonic() < deadline, (
                    f"{service}: {said}\n{self.inside('podman', 'logs', container)[-4000:]}"
                )
                time.sleep(1)

    def _wrong(self, container: str) -> str:
        """What its check said; nothing if it is well."""
        asked = [*self._inside, "podman", "healthcheck", "run", container]
        done = subprocess.run(asked, env=self._podman.env, capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else done.stdout + done.stderr or "not healthy"


@pytest.fixture(scope="module")
def composition(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composition]:
    folder = tmp_path_factory.mktemp("composition")
    podman = Podman(folder)
    podman.make("images")
    subprocess.run(["ip", "netns", "add", NETWORK], check=True)
    documents = None
    made = Composition(podman, folder)
    try:
        made.inside("ip", "link", "set", "lo", "up")
        server = [str(Path(sys.executable).with_name("secantusd-py")), "--standalone", "--port", "27017"]
        documents = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{NETWORK}", *server, "--storage-path", str(folder / "documents")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        made.compose("up", "--detach", "--no-deps", *LONG)
        for service in LONG:
            made.wait_healthy(service)
        made.compose("run", "--rm", "register")
        made.compose("up", "--detach", "--no-deps", "--scale", f"dask-worker={WORKERS}", *THEN)
        for service in THEN:
            if "healthcheck" in RAW["services"][service]:
                made.wait_healthy(service)
        yield made
    finally:
        made.down()
        if documents:
            documents.terminate()
            documents.wait(20)
        subprocess.run(["ip", "netns", "delete", NETWORK], check=False)


def test_a_pipeline_runs_on_all_workers(composition: Composition) -> None:
    """From the worker's container over three Dask workers to a champion that serving answers with."""
    assert len(composition.containers("dask-worker")) == WORKERS
    (worker,) = composition.containers("prefect-worker")
    said = composition.inside("podman", "exec", worker, "sluice", "run", "movies", timeout=900)
    assert re.search(r"pipeline +Completed", said), said
    (serving,) = composition.containers("serving")
    asks = (
        "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', 8000);"
        "c.request('GET', sys.argv[1], headers={'X-API-Key': os.environ['SLUICE_SERVING__BOOTSTRAP_KEY']});"
        "print(c.getresponse().read().decode())"
    )
    answer = json.loads(composition.inside("podman", "exec", serving, "python", "-c", asks, "/recommendations/1?k=3"))
    assert len(answer["items"]) == 3
    workers = json.loads(composition.inside("podman", "exec", serving, "python", "-c", asks, "/workers"))
    assert len(workers["dask"]) == WORKERS
    assert all(one["tasks_done"] for one in workers["dask"]), workers


def test_each_is_as_contained_as_the_file_says(composition: Composition) -> None:
    """Read-only, with no capability, not root, and no way to get one."""
    for service in (name for name in ours() if name in {*LONG, *THEN}):
        for container in composition.containers(service):
            (found,) = json.loads(composition.inside("podman", "inspect", container))
            assert found["HostConfig"]["ReadonlyRootfs"] is True
            assert not found["EffectiveCaps"]
            assert found["Config"]["User"] == "10001:10001"
            assert "no-new-privileges" in " ".join(found["HostConfig"]["SecurityOpt"])
