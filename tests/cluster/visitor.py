"""A pod of the tests in the release's namespace: it runs a few lines of Python and tells in its log what came of it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster.kubectl import Object, until
from tests.cluster.platform import READY_SECONDS, USE_CASE, Platform
from tests.helm.chart import RELEASE

# Every failure is told at once, and every second how many were answered.
ASKING = """
import json, os, sys, time, httpx
from deployments.cluster.smoke import row
client = httpx.Client(base_url="http://{release}-serving:8000", timeout=10, trust_env=False,
                      headers={{"Authorization": "Bearer " + os.environ["KEY"]}},
                      limits=httpx.Limits(max_keepalive_connections={kept}))
body = {{"inputs": row(client.get("/v2/models/{model}").json()["inputs"], json.loads(sys.argv[1]))}}
answered, told = 0, time.monotonic()
while True:
    try:
        answer = client.post("/v2/models/{model}/infer", json=body)
        answered += answer.is_success
        if not answer.is_success:
            print("failed", answer.status_code, answer.text[:200], flush=True)
    except httpx.HTTPError as error:
        print("failed", repr(error), flush=True)
    if time.monotonic() - told > 1:
        print("answered", answered, flush=True)
        told = time.monotonic()
    time.sleep({pause})
"""

# A line for each place: open, or why not.
KNOCKING = """
import socket, sys
for place in sys.argv[1:]:
    host, port = place.split(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
        print(place, "open")
    except OSError as error:
        print(place, "closed", type(error).__name__)
"""


def flows_image(platform: Platform) -> str:
    image: str = platform.kubectl.pods("dask-worker")[0]["spec"]["containers"][0]["image"]
    return image


def said(platform: Platform, name: str) -> list[str]:
    return platform.kubectl("logs", f"pod/{name}").splitlines()


@contextmanager
def asked(platform: Platform, name: str = "asking", pause: float = 0.1, anew: bool = False) -> Iterator[list[str]]:
    """A pod that asks for predictions all the time; what it said is in the list at the end of the block.

    Args:
        pause: seconds between two requests.
        anew: each has a connection of its own, so that each may reach another pod of the service.
    """
    lines: list[str] = []
    code = ASKING.format(release=RELEASE, model=USE_CASE, pause=pause, kept=0 if anew else 1)
    made = visitor(name, flows_image(platform), code, json.dumps(platform.inputs), component="test")
    platform.kubectl.make(made)
    try:
        until(lambda: answered(_so_far(platform, name)), READY_SECONDS, platform.state)
        yield lines
        # Once more after all is done, so that it has seen the end too.
        before = answered(_so_far(platform, name))
        until(lambda: answered(_so_far(platform, name)) > before, 120, platform.state)
        lines += _so_far(platform, name)
    finally:
        platform.kubectl("delete", "pod", name, "--grace-period=1")


def _so_far(platform: Platform, name: str) -> list[str]:
    phase = platform.kubectl.one("pod", name)["status"]["phase"]
    return said(platform, name) if phase == "Running" else []


def answered(lines: list[str]) -> int:
    return max((int(line.split()[1]) for line in lines if line.startswith("answered")), default=0)


def failures(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("failed")]


def visitor(name: str, image: str, code: str, *arguments: str, component: str = "") -> Object:
    """Args:
    component: whose paths the network policies give it; empty: it is a stranger to the release.
    """
    labels = {"app.kubernetes.io/instance": RELEASE, "app.kubernetes.io/component": component} if component else {}
    key = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": f"{RELEASE}-secrets", "key": "serving-bootstrap-key"}}}
    container = {
        "name": "visitor",
        "image": image,
        "command": ["python", "-c", code, *arguments],
        "env": [key],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": security,
            "containers": [container],
        },
    }
