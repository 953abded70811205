"""The DaskCluster of a run that is no good manifest, and what is said of one that does not come up."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.cluster_manifest import manifest_of
from flows.cluster_problem import NO_OPERATOR, what_is_missing
from sluice.dask_settings import RunClusterSettings
from sluice.errors import SettingsInvalidError

RUN = "0c5e2f7a-1f3c-4a51-9c1e-2d7c0a4b9f10"
SMALL: dict[str, Any] = {
    "metadata": {"generateName": "sluice-", "namespace": "mlops"},
    "spec": {
        "scheduler": {"service": {}, "spec": {"containers": [{}]}},
        "worker": {"spec": {"containers": [{}]}},
    },
}
MADE = {"status": {"phase": "Pending"}}


def written(folder: Path, content: object, **more: str) -> RunClusterSettings:
    path = folder / "cluster.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return RunClusterSettings(spec=path, **more)  # type: ignore[arg-type]


def pod(phase: str, component: str = "worker", **status: Any) -> dict[str, Any]:
    return {"metadata": {"labels": {"dask.org/component": component}}, "status": {"phase": phase, **status}}


def test_a_second_try_makes_another_one(tmp_path: Path) -> None:
    """The first may be going for a while yet, and one of its name would be it."""
    settings = written(tmp_path, SMALL)
    assert len({manifest_of(settings, RUN, 1)["metadata"]["name"] for _ in range(8)}) > 1


def test_a_process_that_is_no_pod_owns_nothing(tmp_path: Path) -> None:
    """Kubernetes would remove at once what belongs to a pod that is not there."""
    assert "ownerReferences" not in manifest_of(written(tmp_path, SMALL), RUN, 1)["metadata"]
    owned = manifest_of(written(tmp_path, SMALL, pod_name="otter", pod_uid="u"), RUN, 1)
    assert owned["metadata"]["ownerReferences"][0]["uid"] == "u"


@pytest.mark.parametrize(
    "content", ["- a", "a: [", "{}", {**SMALL, "metadata": {"name": "sluice"}}, {**SMALL, "spec": {}}]
)
def test_what_is_no_manifest_names_its_setting(content: object, tmp_path: Path) -> None:
    """And the file."""
    with pytest.raises(SettingsInvalidError, match=r"SLUICE_DASK__PER_RUN__SPEC: .*cluster\.yaml is no DaskCluster"):
        manifest_of(written(tmp_path, content), RUN, 1)


def test_a_manifest_that_is_not_there_names_its_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalidError, match=r"SLUICE_DASK__PER_RUN__SPEC: .*FileNotFoundError"):
        manifest_of(RunClusterSettings(spec=tmp_path / "none.yaml"), RUN, 1)


@pytest.mark.parametrize(
    ("cluster", "pods", "said"),
    [
        (None, [], "it was removed while it started"),
        ({}, [], NO_OPERATOR),
        ({"status": {}}, [pod("Running")], NO_OPERATOR),
        (MADE, [], "See its pods' logs, and the operator's"),
        (MADE, [pod("Running", conditions=[{"type": "Ready", "status": "True"}])], "See its pods' logs"),
        (
            MADE,
            [pod("Pending", conditions=[{"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}])] * 2,
            "30 s. A worker is Pending: 0/3 nodes",
        ),
        (
            MADE,
            [pod("Pending", "scheduler", containerStatuses=[{"state": {"waiting": {"reason": "ErrImagePull"}}}])],
            "A scheduler is Pending: ErrImagePull",
        ),
        (MADE, [pod("Running"), {"metadata": {}}], "A pod is new and not ready. A worker is Running and not ready"),
    ],
)
def test_what_is_missing_is_what_somebody_would_see(cluster: Any, pods: list[Any], said: str) -> None:
    """Each reason once, whatever Kubernetes has filled in so far."""
    told = what_is_missing(cluster, pods, 30)
    assert said in told
    assert told.count("0/3") < 2
