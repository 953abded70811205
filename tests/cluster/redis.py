"""A Redis for the tests of several Prefect servers, in the release's namespace and not of the release."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from tests.cluster.kubectl import until
from tests.cluster.platform import READY_SECONDS, Platform

# Of its pod, its service, and the Secret with its address.
NAME = "test-redis"


@contextmanager
def redis(platform: Platform, image: str) -> Iterator[None]:
    """Args:
    image: has ``redis-server``; Debian's and the official one do.
    """
    kubectl, password = platform.kubectl, uuid4().hex
    container = {
        "name": "redis",
        "image": image,
        "command": ["redis-server", "--save", "", "--bind", "0.0.0.0", "--requirepass", password],
        "workingDir": "/tmp",
        "readinessProbe": {"tcpSocket": {"port": 6379}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 999, "seccompProfile": {"type": "RuntimeDefault"}}
    metadata = {"name": NAME, "labels": {"app": NAME}}
    pod = {"automountServiceAccountToken": False, "securityContext": security, "containers": [container]}
    kubectl.make({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod})
    service = {"selector": {"app": NAME}, "ports": [{"port": 6379}]}
    kubectl.make({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service})
    address = {"url": f"redis://:{password}@{NAME}:6379/0"}
    kubectl.make({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": address})
    try:
        until(lambda: _is_ready(platform), READY_SECONDS, platform.state)
        yield
    finally:
        kubectl("delete", "pod,service,secret", f"--selector=app={NAME}", "--grace-period=1")


def _is_ready(platform: Platform) -> bool:
    statuses = platform.kubectl.one("pod", NAME)["status"].get("containerStatuses", [])
    return bool(statuses) and all(status["ready"] for status in statuses)
