"""A pod of the tests in the release's namespace: it runs a few lines of Python and tells in its log what came of it."""

from tests.cluster.kubectl import Object
from tests.helm.chart import RELEASE

# Ten requests a second; every failure is told at once, and every second how many were answered.
ASKING = """
import json, os, sys, time, httpx
from deployments.cluster.smoke import row
client = httpx.Client(base_url="http://{release}-serving:8000", timeout=10, trust_env=False,
                      headers={{"Authorization": "Bearer " + os.environ["KEY"]}})
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
    time.sleep(0.1)
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


def asking(model: str) -> str:
    return ASKING.format(release=RELEASE, model=model)


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
