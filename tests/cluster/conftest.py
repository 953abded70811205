"""Only `make test-cluster` runs these: they need a Kubernetes cluster, which KUBECONFIG names, and they fill it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import helm_python
import pytest
import yaml

from tests.cluster.kubectl import Kubectl
from tests.cluster.platform import Platform
from tests.helm.chart import environment, merged

KUBECONFIG = os.environ.get("KUBECONFIG", "")
# A namespace that is there and stays, for those who go on from a release that a test has failed on.
KEPT = os.environ.get("SLUICE_TEST_NAMESPACE", "")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Out of every other choice of tests, whatever else is in it."""
    if "cluster" in config.option.markexpr:
        return
    ours = [item for item in items if item.get_closest_marker("cluster")]
    config.hook.pytest_deselected(items=ours)
    items[:] = [item for item in items if item not in ours]


def missing() -> str:
    """Why there is nothing to test on, if so. A cluster that is named and does not answer is a failure."""
    if not KUBECONFIG or not all(Path(part).is_file() for part in KUBECONFIG.split(os.pathsep)):
        return "KUBECONFIG names no cluster"
    return "" if shutil.which("kubectl") else "kubectl is not installed here"


def given() -> dict[str, Any]:
    """values-dev.yaml, and over it the file that SLUICE_TEST_VALUES names: a cluster's registry, its classes."""
    path = os.environ.get("SLUICE_TEST_VALUES")
    return merged(environment("dev"), yaml.safe_load(Path(path).read_text(encoding="utf-8")) if path else {})


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """The chart in a namespace of its own, which refuses whatever is not `restricted`; it is removed at the end."""
    if reason := missing():
        pytest.skip(reason)
    if KEPT:
        with helm_python.Config(namespace=KEPT) as helm:
            yield Platform(Kubectl(KEPT), helm, given())
        return
    namespace = f"sluice-test-{uuid4().hex[:6]}"
    kubectl = Kubectl(namespace)
    kubectl("create", "namespace", namespace)
    try:
        kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
        with helm_python.Config(namespace=namespace) as helm:
            made = Platform(kubectl, helm, given())
            yield made
    finally:
        kubectl("delete", "namespace", namespace, "--timeout=10m", timeout=660)
