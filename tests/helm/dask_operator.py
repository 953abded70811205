"""What dask-kubernetes' operator makes of a DaskCluster, by the operator's own code, and the schema of its kind."""

from functools import cache
from pathlib import Path
from typing import Any

import dask_kubernetes.operator
import yaml
from dask_kubernetes.operator.controller import controller
from jsonschema import Draft202012Validator

from flows.cluster_manifest import manifest_of
from sluice.dask_settings import RunClusterSettings
from tests.helm.chart import NAMESPACE, Object

RUN = "0c5e2f7a-1f3c-4a51-9c1e-2d7c0a4b9f10"
_CHART = Path(dask_kubernetes.operator.__file__).parent / "deployment" / "helm" / "dask-kubernetes-operator"


def made_by_run(text: str, folder: Path, workers: int = 3) -> Object:
    """The DaskCluster that a run makes of the mounted manifest."""
    path = folder / "cluster.yaml"
    path.write_text(text, encoding="utf-8")
    return manifest_of(RunClusterSettings(spec=path, pod_name="tidy-otter-x", pod_uid="u"), RUN, workers)


def deployments_of(text: str) -> list[Object]:
    """Of the scheduler and of one worker, whatever the cluster is called."""
    manifest = yaml.safe_load(text)
    return made_by_operator({**manifest, "metadata": {**manifest["metadata"], "name": "otter"}})[1:]


def made_by_operator(cluster: Object) -> list[Object]:
    """The service, and the deployments of the scheduler and of one worker, in the operator's own order of labels."""
    name, spec = cluster["metadata"]["name"], cluster["spec"]
    labels, annotations = cluster["metadata"]["labels"], cluster["metadata"].get("annotations", {})
    scheduler, worker = (
        (labels | part["metadata"]["labels"], annotations | part["metadata"].get("annotations", {}))
        for part in (spec["scheduler"], spec["worker"])
    )
    build: Any = controller
    group = build.build_default_worker_group_spec(name, spec["worker"], worker[1], worker[0])["metadata"]
    return [
        build.build_scheduler_service_spec(name, spec["scheduler"]["service"], scheduler[1], scheduler[0]),
        build.build_scheduler_deployment_spec(name, spec["scheduler"]["spec"], scheduler[1], scheduler[0]),
        build.build_worker_deployment_spec(
            worker_group_name=group["name"],
            namespace=NAMESPACE,
            cluster_name=name,
            uuid="0123456789",
            pod_spec=spec["worker"]["spec"],
            annotations=group["annotations"],
            labels=group["labels"] | worker[0],
        ),
    ]


def refusals(cluster: Object) -> list[str]:
    """What a cluster with the operator's definition would refuse, or drop: fields that it does not know, too."""
    return [f"{error.json_path}: {error.message[:200]}" for error in _validator().iter_errors(cluster)]


@cache
def _validator() -> Draft202012Validator:
    definition = yaml.safe_load((_CHART / "crds" / "daskcluster.yaml").read_text(encoding="utf-8"))
    (version,) = definition["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    # Kubernetes' own, which a definition does not repeat.
    schema["properties"] |= {"apiVersion": {}, "kind": {}, "metadata": {}}
    return Draft202012Validator(_closed(schema))


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema:
        closed["additionalProperties"] = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    if schema.get("x-kubernetes-int-or-string"):
        closed.pop("type", None)
    return closed
