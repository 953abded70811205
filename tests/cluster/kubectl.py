"""kubectl, as somebody would type it, in one namespace of the cluster that KUBECONFIG names."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

Object = dict[str, Any]
T = TypeVar("T")


class Kubectl:
    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def __call__(self, *arguments: str, given: str | None = None, timeout: float = 120) -> str:
        """Its standard output; a failure shows what it said."""
        command = ["kubectl", "--namespace", self.namespace, *arguments]
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=timeout, check=False)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def items(self, kind: str, **labels: str) -> list[Object]:
        """Objects of a kind. Labels are of ``app.kubernetes.io/``."""
        selector = ",".join(f"app.kubernetes.io/{name}={value}" for name, value in labels.items())
        found: list[Object] = json.loads(self("get", kind, f"--selector={selector}", "--output=json"))["items"]
        return found

    def one(self, kind: str, name: str) -> Object:
        found: Object = json.loads(self("get", kind, name, "--output=json"))
        return found

    def names(self, kind: str, **labels: str) -> set[str]:
        return {one["metadata"]["name"] for one in self.items(kind, **labels)}

    def pods(self, component: str) -> list[Object]:
        """A component's pods, without those that are going."""
        return [pod for pod in self.items("pods", component=component) if "deletionTimestamp" not in pod["metadata"]]

    def make(self, manifest: Object) -> None:
        self("apply", "--filename=-", given=json.dumps(manifest))

    @contextmanager
    def forward(self, target: str, port: int) -> Iterator[str]:
        """An address on this machine that leads to a port of a pod or a service, past the network policies."""
        command = ["kubectl", "--namespace", self.namespace, "port-forward", target, f":{port}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            try:
                assert process.stdout is not None
                said = process.stdout.readline()
                if not said.startswith("Forwarding from"):
                    raise ConnectionError(said)
                yield f"http://{said.split()[2]}"
            finally:
                process.terminate()


def until(look: Callable[[], T | None], seconds: float, what: Callable[[], str], poll: float = 2.0) -> T:
    """The first answer that is not None or false.

    Args:
        what: tells what there is in its place, when the time is up.
    """
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not after {seconds:.0f} s: {what()}"
        time.sleep(poll)
    return found
