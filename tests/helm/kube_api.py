"""A Kubernetes API that only keeps what it is given: enough for Helm to install and upgrade against, without a cluster.

There are no controllers, so nothing runs; the jobs of hooks are called complete at once. A patch replaces the object:
Helm applies all of it.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

Object = dict[str, Any]
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
KINDS: dict[str, tuple[str, ...]] = {
    "v1": ("Namespace", "Secret", "ConfigMap", "Service", "ServiceAccount", "PersistentVolumeClaim", "Pod"),
    "apps/v1": ("Deployment", "StatefulSet"),
    "batch/v1": ("Job", "CronJob"),
    "rbac.authorization.k8s.io/v1": ("Role", "RoleBinding"),
    "networking.k8s.io/v1": ("NetworkPolicy", "Ingress"),
    "autoscaling/v2": ("HorizontalPodAutoscaler",),
    "policy/v1": ("PodDisruptionBudget",),
    "kubernetes.dask.org/v1": ("DaskCluster",),
}


def plural(kind: str) -> str:
    word = kind.lower()
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}es" if word.endswith("s") else f"{word}s"


class KubeApi:
    """Objects by their path.

    Attributes:
        refused: what is answered in place of an object, by method and kind in the plural: code and message.
    """

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.refused: dict[tuple[str, str], tuple[int, str]] = {}
        self.calls: list[str] = []
        self.lock = Lock()
        self._version = 0

    def of(self, kind: str) -> list[Object]:
        return [one for path, one in self.objects.items() if f"/{plural(kind)}/" in path]

    def answer(self, method: str, url: str, body: Any) -> tuple[int, Object]:
        path = urlsplit(url).path.rstrip("/")
        with self.lock:
            self.calls.append(f"{method} {path}")
            for (refused, kind), (code, message) in self.refused.items():
                if method == refused and kind in path.split("/"):
                    return code, {"kind": "Status", "apiVersion": "v1", "code": code, "message": message}
            return self._discovery(path) or self._object(method, path, url, body)

    def _discovery(self, path: str) -> tuple[int, Object] | None:
        groups = [group for group in KINDS if "/" in group]
        if path == "/version":
            return 200, {"major": "1", "minor": "34", "gitVersion": "v1.34.0"}
        if path == "/api":
            return 200, {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            listed = []
            for group in groups:
                version = {"groupVersion": group, "version": group.split("/")[1]}
                listed.append({"name": group.split("/")[0], "versions": [version], "preferredVersion": version})
            return 200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}
        if path.startswith("/openapi/v3"):
            return self._openapi(path.removeprefix("/openapi/v3/"))
        group = path.removeprefix("/apis/").removeprefix("/api/")
        if group not in KINDS:
            return None
        resources = [
            {
                "name": plural(kind),
                "singularName": kind.lower(),
                "namespaced": kind != "Namespace",
                "kind": kind,
                "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
            }
            for kind in KINDS[group]
        ]
        return 200, {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group, "resources": resources}

    def _openapi(self, path: str) -> tuple[int, Object]:
        """That the server itself checks fields, so that Helm leaves it to it; the tests of rendering do."""
        at = {group: f"apis/{group}" if "/" in group else f"api/{group}" for group in KINDS}
        if path == "/openapi/v3":
            return 200, {"paths": {name: {"serverRelativeURL": f"/openapi/v3/{name}"} for name in at.values()}}
        (version,) = [group for group, name in at.items() if name == path]
        group, _, number = version.rpartition("/")
        operations = {
            f"/{path}/{plural(kind)}/{{name}}": {
                "patch": {
                    "parameters": [{"name": "fieldValidation", "in": "query"}],
                    "x-kubernetes-group-version-kind": {"group": group, "version": number, "kind": kind},
                    "responses": {},
                }
            }
            for kind in KINDS[version]
        }
        return 200, {"openapi": "3.0.0", "info": {"title": "fake", "version": "1"}, "paths": operations}

    def _object(self, method: str, path: str, url: str, body: Any) -> tuple[int, Object]:
        if method == "POST":
            metadata = body["metadata"]
            metadata.setdefault("name", f"{metadata.get('generateName')}{len(self.objects)}")
            path = f"{path}/{metadata['name']}"
        there = self.objects.get(path)
        if (
            method == "GET"
            and there is None
            and path.rsplit("/", 1)[1] in {plural(k) for v in KINDS.values() for k in v}
        ):
            return 200, self._list(path, url)
        if method in {"GET", "DELETE"}:
            if there is None:
                return 404, {
                    "kind": "Status",
                    "apiVersion": "v1",
                    "status": "Failure",
                    "reason": "NotFound",
                    "code": 404,
                }
            if method == "DELETE":
                del self.objects[path]
            return 200, there
        self._version += 1
        self.objects[path] = self._kept(body)
        return (200 if there else 201), self.objects[path]

    def _list(self, path: str, url: str) -> Object:
        query = parse_qs(urlsplit(url).query)
        labels, fields = (_pairs(query.get(name, [""])[0]) for name in ("labelSelector", "fieldSelector"))
        found = [
            one
            for at, one in self.objects.items()
            if at.rsplit("/", 1)[0] == path
            and all(one["metadata"].get("labels", {}).get(key) == value for key, value in labels)
            and all(_field(one, key) == value for key, value in fields)
        ]
        return {"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": str(self._version)}, "items": found}

    def _kept(self, one: Object) -> Object:
        given = {"uid": str(self._version), "creationTimestamp": datetime.now(UTC).isoformat(timespec="seconds")}
        metadata = {**given, **one["metadata"], "resourceVersion": str(self._version)}
        if one["kind"] == "Job":
            one = {**one, "status": {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}}
        return {**one, "metadata": metadata}


def _pairs(selector: str) -> list[tuple[str, str]]:
    parts = (part.partition("=") for part in selector.split(",") if "=" in part)
    return [(name, value) for name, _, value in parts]


def _field(one: Any, path: str) -> Any:
    for part in path.split("."):
        one = one.get(part, {})
    return one


@contextmanager
def kube_api() -> Iterator[tuple[KubeApi, str]]:
    """The API, and a kubeconfig for it."""
    api = KubeApi()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            text = self.rfile.read(length)
            # What is applied is YAML by its name, and JSON is YAML.
            code, answer = api.answer(self.command, self.path, yaml.load(text, _LOADER) if text else None)
            payload = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815 named by the base class

        def log_message(self, format: str, *args: object) -> None:
            """Not on the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield api, json.dumps(_kubeconfig(address))
        finally:
            server.shutdown()


def _kubeconfig(address: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "fake",
        "clusters": [{"name": "fake", "cluster": {"server": address}}],
        "users": [{"name": "fake", "user": {}}],
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake", "namespace": "mlops"}}],
    }
