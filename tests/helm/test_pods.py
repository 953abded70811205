"""Every pod of the chart: who it is, what it may do, where its secrets come from, how its health is seen."""

import re
from typing import Any

import pytest

from deployments.deployment import deployments_of, installed_configs
from tests.helm.chart import ENVIRONMENTS, WORKLOADS, Object, Release, component, render
from tests.helm.options import OPTIONS, rendered

SELECTOR = {"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"}
# They end by themselves, and nobody waits for their health.
ENDING = {"deploy", "test", "sweep", "dask-janitor"}
# Only these talk to Kubernetes. The hook that registers talks to Prefect alone, so it has no token.
WITH_TOKEN = {"prefect-worker", "sweep", "dask-janitor"}
SECRET = re.compile(
    r"AUTH$|PASSWORD$|_KEY$|TOKEN|SECRET|DOCUMENTS__URI|CONNECTION_URL|_STORE_URI|DATABASE_URI|OPTIONS$"
)
# Where a secret is, and not what it is.
NAMES_OF_SECRETS = {
    "PREFECT_INTEGRATIONS_KUBERNETES_WORKER_API_AUTH_STRING_SECRET_NAME",
    "PREFECT_INTEGRATIONS_KUBERNETES_WORKER_API_AUTH_STRING_SECRET_KEY",
    "SLUICE_SOURCES__SECRETS_FOLDER",
}


@pytest.fixture(params=ENVIRONMENTS)
def release(request: pytest.FixtureRequest) -> Release:
    return rendered(request.param)


@pytest.fixture(params=OPTIONS)
def optional(request: pytest.FixtureRequest) -> Release:
    return rendered("dev", request.param)


def containers(pod: Object) -> list[Object]:
    return [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]


def test_selectors_match_their_pods(release: Release) -> None:
    """A selector has three labels that never change, and its own pods have them."""
    for one in release.of("Deployment", "StatefulSet"):
        selector = one["spec"]["selector"]["matchLabels"]
        assert selector.keys() == SELECTOR
        assert selector.items() <= one["spec"]["template"]["metadata"]["labels"].items()


def test_services_lead_to_ports_that_are_there(optional: Release) -> None:
    """Each port of a service has a name that a container of the pods behind it opens."""
    pods = [pod for _, pod in optional.pods()]
    for service in optional.of("Service"):
        selector = service["spec"]["selector"].items()
        behind = [pod for pod in pods if selector <= pod["metadata"]["labels"].items()]
        assert len(behind) == 1, service["metadata"]["name"]
        opened = {
            port["name"]: port["containerPort"] for container in containers(behind[0]) for port in container["ports"]
        }
        for port in service["spec"]["ports"]:
            assert opened[port["targetPort"]] == port["port"]


def test_probes_ask_what_is_opened(release: Release) -> None:
    """Whoever runs on has all three probes, and each asks a port of its container."""
    for name, pod in release.pods():
        if name in ENDING:
            continue
        for container in containers(pod):
            opened = {port["name"] for port in container.get("ports", [])}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                asked = container[probe].get("httpGet") or container[probe].get("tcpSocket")
                assert asked is None or asked["port"] in opened, (name, probe)


def test_pods_pass_the_restricted_standard(optional: Release) -> None:
    """Pod Security `restricted`, and beyond it: no writable image, no token, no environment of other services."""
    for name, pod in optional.pods():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is (name in WITH_TOKEN), name
        assert spec["enableServiceLinks"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        kinds = {kind for volume in spec["volumes"] for kind in volume if kind != "name"}
        assert kinds <= {"configMap", "secret", "emptyDir", "persistentVolumeClaim", "projected", "downwardAPI"}
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "runAsNonRoot": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_every_pod_has_an_account_of_its_own(optional: Release) -> None:
    """What a pod may do is said for it alone, and never by the namespace's default account."""
    accounts = {one["metadata"]["name"]: one for one in optional.of("ServiceAccount")}
    for name, pod in optional.pods():
        account = accounts[pod["spec"]["serviceAccountName"]]
        assert component(account) == name
        assert account["automountServiceAccountToken"] is False


_SEES = {"get", "list", "watch"}
# What components may do in their own namespace. The worker makes the jobs of runs; what sweeps finds and removes them.
MAY: dict[str, dict[str, set[str]]] = {
    "prefect-worker": {
        "jobs": {"create", "delete", "patch", *_SEES},
        **dict.fromkeys(("pods", "pods/log", "pods/status", "events"), _SEES),
    },
    "sweep": {"jobs": {"delete", "list"}},
}
# A run makes its Dask cluster, and waits for its pods.
MAY_PER_RUN = {
    "prefect-worker": MAY["prefect-worker"],
    "sweep": {**MAY["sweep"], "daskclusters": {"delete", "list"}},
    "dask-janitor": {"daskclusters": {"delete", "list"}},
    "flow-run": {
        "daskclusters": {"create", "delete", "get", "list"},
        **{resource: {"get", "list"} for resource in ("pods", "services")},
    },
}


@pytest.mark.parametrize("option", OPTIONS)
def test_only_some_may_ask_kubernetes(option: str) -> None:
    """Each in its own namespace, for what it does; nobody reads a Secret, or a ConfigMap."""
    release = rendered("dev", option)
    assert release.of("ClusterRole", "ClusterRoleBinding") == []
    wanted = MAY_PER_RUN if option == "dask per run" else MAY
    for role, binding in zip(release.of("Role"), release.of("RoleBinding"), strict=True):
        name = component(role)
        assert {resource: set(rule["verbs"]) for rule in role["rules"] for resource in rule["resources"]} == wanted[
            name
        ]
        assert component(binding) == name
        assert binding["roleRef"]["name"] == role["metadata"]["name"]
        (account,) = [one for one in release.of("ServiceAccount") if component(one) == name]
        assert [one["name"] for one in binding["subjects"]] == [account["metadata"]["name"]]


def test_resources_are_bounded(optional: Release) -> None:
    """Every container requests what it needs and has a limit of memory."""
    for name, pod in optional.pods():
        for container in containers(pod):
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys(), name
            assert "memory" in container["resources"]["limits"], name


def test_dev_leaves_room_for_a_run() -> None:
    """On one node of four cores beside what kind runs itself; otherwise a stage's pod would wait for ever."""
    pods = {name: pod for name, pod in rendered("dev").pods() if name not in ENDING}
    parts = {
        name: sum(millicores(one["resources"]["requests"]["cpu"]) for one in containers(pod))
        for name, pod in pods.items()
    }
    parts["dask-worker"] *= rendered("dev").one("Deployment", "dask-worker")["spec"]["replicas"]
    kind_itself = 950  # its API server, controllers, scheduler, etcd, network, and two of CoreDNS
    largest = max(
        millicores(one.job_variables["cpu_request"])
        for one in deployments_of(installed_configs(shipped_only=True), "kubernetes")
    )
    pipeline = 100
    assert kind_itself + sum(parts.values()) + pipeline + largest <= 4000, parts


def millicores(quantity: str | float) -> int:
    text = str(quantity)
    return int(text[:-1]) if text.endswith("m") else round(float(text) * 1000)


def test_images_have_a_version(optional: Release) -> None:
    """A tag that says which, or a digest."""
    for _, pod in optional.pods():
        for container in containers(pod):
            image = container["image"]
            assert "@sha256:" in image or re.search(r":[0-9][^:/]*$", image), image


def test_secrets_are_references(optional: Release) -> None:
    """No ConfigMap and no literal variable has a secret: neither by its name nor, for those made here, by its value."""
    made = [value for secret in optional.of("Secret") for value in _decoded(secret)]
    literal: dict[str, str] = {}
    for _, pod in optional.pods():
        for container in containers(pod):
            for variable in container.get("env", []):
                if "value" in variable:
                    literal[variable["name"]] = variable["value"]
            literal["arguments"] = f"{literal.get('arguments')} {container.get('command')} {container.get('args')}"
    for configmap in optional.of("ConfigMap"):
        literal |= configmap["data"]
    assert {name for name in literal if SECRET.search(name)} <= NAMES_OF_SECRETS
    text = "\n".join(literal.values())
    assert [secret for secret in made if secret in text] == []


def _decoded(secret: Object) -> list[str]:
    from base64 import b64decode

    values = [b64decode(value).decode() for value in secret["data"].values()]
    return [value for value in values if value != "sluice"]  # the user's name is none


def test_references_are_to_what_is_there(optional: Release) -> None:
    """A Secret, a ConfigMap or a claim that pods name is made by the chart, or was named by the values."""
    given = {"given", "platform", "sources", "loki", "lake", "results", "prometheus"}
    for kind, names in _referred(optional).items():
        there = {one["metadata"]["name"] for one in optional.of(kind)}
        if kind == "Secret":
            there |= {one["spec"]["target"]["name"] for one in optional.of("ExternalSecret")}
        assert names - there <= given, kind


def _referred(release: Release) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {"Secret": set(), "ConfigMap": set(), "PersistentVolumeClaim": set()}

    def walk(one: Any) -> None:
        if isinstance(one, list):
            for part in one:
                walk(part)
        elif isinstance(one, dict):
            for key, value in one.items():
                if key in {"secretKeyRef"}:
                    found["Secret"].add(value["name"])
                elif key == "configMapRef" or (key == "configMap" and isinstance(value, dict)):
                    found["ConfigMap"].add(value["name"])
                elif key == "secretName" and "tls" not in value:
                    found["Secret"].add(value)
                elif key == "claimName":
                    found["PersistentVolumeClaim"].add(value)
                else:
                    walk(value)

    for _, pod in release.pods():
        walk(pod)
    return found


def test_mounts_are_of_volumes(optional: Release) -> None:
    """Each mount has its volume, no folder is mounted twice, and nothing is mounted that is not used."""
    for name, pod in optional.pods():
        volumes = [volume["name"] for volume in pod["spec"]["volumes"]]
        mounts = [mount for container in containers(pod) for mount in container["volumeMounts"]]
        assert sorted(volumes) == sorted(mount["name"] for mount in mounts), name
        assert len({mount["mountPath"] for mount in mounts}) == len(mounts)


def test_settings_start_pods_anew() -> None:
    """A change of what a process reads at its start is a change of its pod."""
    other = render("default", {"logLevel": "DEBUG"})
    for (name, before), (_, after) in zip(render("default").pods(), other.pods(), strict=True):
        key = "checksum/settings"
        if name == "sweep":  # it reads none
            continue
        assert before["metadata"]["annotations"][key] != after["metadata"]["annotations"][key], name


def test_ending_takes_no_longer_than_it_may() -> None:
    """Serving finishes its requests, in what its own code takes at most, before Kubernetes kills it."""
    from serving.__main__ import DRAIN_SECONDS

    pod = render().one("Deployment", "serving")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    before = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > before + DRAIN_SECONDS


def test_every_workload_is_looked_at(release: Release) -> None:
    """A kind with pods that these tests do not know would pass all of them."""
    with_pods = {one["kind"] for one in release.objects if "template" in one.get("spec", {})}
    assert with_pods <= WORKLOADS
