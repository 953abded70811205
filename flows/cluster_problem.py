"""Why a run's Dask cluster has no worker yet, by the objects that somebody would look at in Kubernetes."""

from collections.abc import Iterable, Mapping
from typing import Any

Object = Mapping[str, Any]
NO_OPERATOR = (
    "the operator did not take it up. See that dask-kubernetes-operator runs and watches this namespace "
    "(helm/releases.yaml brings it)"
)
NO_KIND = "Kubernetes knows no DaskClusters here. Install dask-kubernetes-operator, which brings their definition"


def phase(cluster: Object) -> str:
    """What the operator has made of it so far; empty: nothing."""
    return str((cluster.get("status") or {}).get("phase") or "")


def what_is_missing(cluster: Object | None, pods: Iterable[Object], seconds: float) -> str:
    """In words.

    Args:
        cluster: None: it is gone.
        pods: all of it.
        seconds: that it had.
    """
    if cluster is None:
        return "it was removed while it started, by its idle timeout or by somebody"
    if not phase(cluster):
        return NO_OPERATOR
    reasons = sorted({reason for pod in pods if (reason := _not_ready(pod))})
    found = ". ".join(reasons) if reasons else "See its pods' logs, and the operator's"
    return f"no worker was there after {seconds:.0f} s. {found}"


def _not_ready(pod: Object) -> str:
    """Empty for one that is ready."""
    status = pod.get("status") or {}
    conditions = {one["type"]: one for one in status.get("conditions") or []}
    if conditions.get("Ready", {}).get("status") == "True":
        return ""
    component = (pod["metadata"].get("labels") or {}).get("dask.org/component", "pod")
    what = f"A {component} is {status.get('phase', 'new')}"
    placed = conditions.get("PodScheduled", {})
    if placed.get("status") == "False":
        return f"{what}: {placed.get('message') or placed.get('reason')}"
    for container in status.get("containerStatuses") or []:
        if waiting := (container.get("state") or {}).get("waiting"):
            return f"{what}: {waiting.get('message') or waiting.get('reason')}"
    return f"{what} and not ready"
