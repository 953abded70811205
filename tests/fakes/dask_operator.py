"""What dask-kubernetes' operator does with DaskClusters, over an API that keeps objects; its pods are processes."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit

from tests.helm.kube_api import KubeApi, Object

_LOOK_SECONDS = 0.1


class Processes:
    """A scheduler and its workers. Not a LocalCluster: that watches them, and a scheduler lets only one do so."""

    def __init__(self, workers: int, env: Mapping[str, str]) -> None:
        self._folder = TemporaryDirectory()
        told = Path(self._folder.name) / "scheduler.json"
        of_scheduler = ("--host=127.0.0.1", "--port=0", "--dashboard-address=127.0.0.1:0")
        self._started = [_start(env, "scheduler", f"--scheduler-file={told}", *of_scheduler)]
        while not told.exists() or not told.read_text().endswith("}"):
            assert self._started[0].poll() is None
            time.sleep(_LOOK_SECONDS)
        scheduler = json.loads(told.read_text())
        self.port, self.dashboard_port = urlsplit(scheduler["address"]).port, scheduler["services"]["dashboard"]
        of_workers = (f"--nworkers={workers}", "--nthreads=1", "--no-dashboard", f"--local-directory={told.parent}")
        self._started.append(_start(env, "worker", scheduler["address"], *of_workers))

    def close(self) -> None:
        for process in reversed(self._started):
            process.terminate()
            process.wait(30)
        self._folder.cleanup()


def _start(env: Mapping[str, str], *arguments: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "dask", *arguments]
    return subprocess.Popen(command, env=dict(env), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class FakeDaskOperator:
    """Its service is a load balancer at 127.0.0.1, so that KubeCluster needs no names of services.

    Attributes:
        awake: whether it does anything.
        place: why the pod of a scheduler finds no node; empty: it finds one.
        seen: every DaskCluster that it has made something of.
    """

    def __init__(self, api: KubeApi, env: Mapping[str, str]) -> None:
        self.awake, self.place = True, ""
        self.seen: list[Object] = []
        self._api, self._env = api, env
        # By path and uid: a run that is tried again makes one of the same name.
        self._made: dict[tuple[str, str], Processes | None] = {}

    def look(self) -> None:
        """Once: make what is new, and remove what belonged to clusters that are gone."""
        with self._api.lock:
            found = [(path, one) for path, one in self._api.objects.items() if "/daskclusters/" in path]
        there = {(path, one["metadata"]["uid"]): one for path, one in found}
        for key in self._made.keys() - there.keys():
            self.remove(key)
        for key in there.keys() - self._made.keys():
            self._make(key, there[key])

    def _make(self, key: tuple[str, str], cluster: Object) -> None:
        self.seen.append(cluster)
        with self._api.lock:
            cluster["status"] = {"phase": "Created"}
        name, namespace = cluster["metadata"]["name"], key[0].rsplit("/", 3)[1]
        labels = {"dask.org/cluster-name": name, "dask.org/component": "scheduler"}
        metadata = {"name": f"{name}-scheduler", "namespace": namespace, "labels": labels}
        at = f"/api/v1/namespaces/{namespace}"
        processes = None if self.place else Processes(cluster["spec"]["worker"]["replicas"], self._env)
        pod: Object = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": []}}
        if processes is None:
            unplaced = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": self.place}
            pod["status"] = {"phase": "Pending", "conditions": [unplaced]}
        else:
            ready = [{"type": kind, "status": "True"} for kind in ("PodScheduled", "Ready", "ContainersReady")]
            pod["status"] = {"phase": "Running", "conditions": ready}
        with self._api.lock:
            self._made[key] = processes
            self._api.objects[f"{at}/pods/{metadata['name']}"] = pod
            self._api.objects[f"{at}/services/{metadata['name']}"] = _service(metadata, processes)
            # As it may stay in the real one, though all is there (dask-kubernetes#968).
            cluster["status"] = {"phase": "Pending"}

    def remove(self, key: tuple[str, str]) -> None:
        """As Kubernetes does with what a cluster owned."""
        processes = self._made.pop(key)
        if processes is not None:
            processes.close()
        name = key[0].rsplit("/", 1)[1]
        with self._api.lock:
            for owned in [one for one in self._api.objects if one.endswith(f"/{name}-scheduler")]:
                del self._api.objects[owned]

    def close(self) -> None:
        for key in list(self._made):
            self.remove(key)


def _service(metadata: Object, processes: Processes | None) -> Object:
    ports: dict[str, Any] = {"tcp-comm": 8786, "http-dashboard": 8787}
    if processes is not None:
        ports = {
            "tcp-comm": processes.port,
            "http-dashboard": processes.dashboard_port,
        }
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {
            "type": "LoadBalancer",
            "selector": metadata["labels"],
            "ports": [{"name": name, "port": port} for name, port in ports.items()],
        },
        "status": {"loadBalancer": {"ingress": [{"ip": "127.0.0.1"}]}},
    }


@contextmanager
def fake_dask_operator(api: KubeApi, env: Mapping[str, str] | None = None) -> Iterator[FakeDaskOperator]:
    """At work in a thread.

    Args:
        env: of the processes; without it this process' own.
    """
    operator, ending = FakeDaskOperator(api, env or os.environ), Event()

    def work() -> None:
        while not ending.is_set():
            if operator.awake:
                operator.look()
            time.sleep(_LOOK_SECONDS)

    thread = Thread(target=work, daemon=True)
    thread.start()
    try:
        yield operator
    finally:
        ending.set()
        thread.join()
        operator.close()
