"""The DaskClusters of a release, which its runs made: Helm does not know them."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from flows.cluster_manifest import RUN_LABEL

if TYPE_CHECKING:
    from kubernetes_asyncio.client import ApiClient

_KIND = ("kubernetes.dask.org", "v1")
_PLURAL = "daskclusters"


class ClusterOfRun(NamedTuple):
    """One of them. ``run`` is the flow run's id, empty where somebody took it away; ``going``: it is being removed."""

    name: str
    run: str
    made: datetime
    going: bool


async def list_clusters(api: "ApiClient", namespace: str, release: str) -> list[ClusterOfRun]:
    """Those of the release, by name. A cluster that knows no DaskClusters has none."""
    from kubernetes_asyncio.client import CustomObjectsApi
    from kubernetes_asyncio.client.exceptions import ApiException

    selector = f"app.kubernetes.io/instance={release},app.kubernetes.io/component=dask-cluster"
    try:
        answer: Any = await CustomObjectsApi(api).list_namespaced_custom_object(
            *_KIND, namespace, _PLURAL, label_selector=selector
        )
    except ApiException as error:
        if error.status == 404:  # the operator was uninstalled with its definitions
            return []
        raise
    return sorted(_read(one["metadata"]) for one in answer["items"])


async def remove_cluster(api: "ApiClient", namespace: str, name: str) -> None:
    """With its pods, which Kubernetes removes. One that is gone is gone."""
    from kubernetes_asyncio.client import CustomObjectsApi
    from kubernetes_asyncio.client.exceptions import ApiException

    try:
        await CustomObjectsApi(api).delete_namespaced_custom_object(*_KIND, namespace, _PLURAL, name)
    except ApiException as error:
        if error.status != 404:
            raise


def _read(metadata: dict[str, Any]) -> ClusterOfRun:
    return ClusterOfRun(
        name=metadata["name"],
        run=metadata["labels"].get(RUN_LABEL, ""),
        made=datetime.fromisoformat(metadata["creationTimestamp"]),
        going="deletionTimestamp" in metadata,
    )
