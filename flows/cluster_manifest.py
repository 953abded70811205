"""The DaskCluster of one run: the manifest that the chart mounts, with what only the run knows."""

from functools import reduce
from operator import getitem
from pathlib import Path
from secrets import token_hex
from typing import Any

import yaml

from sluice.dask_settings import RunClusterSettings
from sluice.errors import SettingsInvalidError

Manifest = dict[str, Any]
# Not Prefect's own prefect.io/flow-run-id: its worker would take the cluster's pods for the run's.
RUN_LABEL = "sluice-flow-run"
# The operator puts "-scheduler" behind the name, and takes 63 characters.
_PREFIX_CHARACTERS = 41
_NEEDED = (
    ("metadata", "generateName"),
    ("metadata", "namespace"),
    ("spec", "scheduler", "service"),
    ("spec", "worker", "spec", "containers"),
)


def manifest_of(settings: RunClusterSettings, run: str, workers: int) -> Manifest:
    """Its name, its run's label, its owner, how many workers it has and where those find the scheduler.

    Args:
        run: the flow run's id.

    Raises:
        SettingsInvalidError: the mounted manifest cannot be read.
    """
    assert settings.spec is not None
    manifest = _read(settings.spec)
    metadata, scheduler, worker = manifest["metadata"], manifest["spec"]["scheduler"], manifest["spec"]["worker"]
    # A run that is tried again makes another one, while its first may not be gone yet.
    name = f"{metadata.pop('generateName')[:_PREFIX_CHARACTERS]}{run[:8]}-{token_hex(2)[:3]}"
    metadata["name"] = name
    metadata.setdefault("labels", {})[RUN_LABEL] = run
    if settings.pod_name and settings.pod_uid:
        metadata["ownerReferences"] = [
            {"apiVersion": "v1", "kind": "Pod", "name": settings.pod_name, "uid": settings.pod_uid}
        ]
    scheduler["service"]["selector"] = {"dask.org/cluster-name": name, "dask.org/component": "scheduler"}
    worker["replicas"] = workers
    address = {"name": "DASK_SCHEDULER_ADDRESS", "value": f"tcp://{name}-scheduler:8786"}
    for container in worker["spec"]["containers"]:
        # The operator would add it with a domain that is not every cluster's.
        container["env"] = [address, *container.get("env", [])]
    return manifest


def _read(path: Path) -> Manifest:
    try:
        manifest: Manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
        for needed in _NEEDED:
            reduce(getitem, needed, manifest)
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        problem = f"{path} is no DaskCluster with a generateName and a namespace ({type(error).__name__}: {error})"
        raise SettingsInvalidError(variable="SLUICE_DASK__PER_RUN__SPEC", problem=problem) from None
    return manifest
