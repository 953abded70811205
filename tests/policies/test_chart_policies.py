"""What the chart renders keeps checkov's rules for Kubernetes, but for the waivers that stand in a file."""

from pathlib import Path

import pytest
import yaml

from tests.helm.chart import NAMESPACE, Release
from tests.helm.options import rendered
from tests.policies.checkov import Finding, Scan, install, not_waived, scan, unused, waivers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def write(release: Release, folder: Path) -> None:
    """As `helm install` sends it: objects get the namespace of the release."""
    folder.mkdir(parents=True)
    for one in release.objects:
        content = one | {"metadata": one["metadata"] | {"namespace": NAMESPACE}}
        path = folder / f"{one['kind']}-{one['metadata']['name']}.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Scan:
    """The chart as it comes, as production has it, and with a Dask cluster for each run, in one scan."""
    install()
    folder = tmp_path_factory.mktemp("rendered")
    for environment in ("default", "prod"):
        write(rendered(environment), folder / environment)
    write(rendered("default", "dask per run"), folder / "per-run")
    return scan(folder, "kubernetes")


def test_nothing_is_found_that_is_not_waived(found: Scan) -> None:
    """Each rule is kept, or has a reason in waivers.yaml."""
    assert found.unread == 0
    assert found.passed > 0
    assert list(not_waived(found.findings, waivers("chart"))) == []


def test_every_waiver_is_needed(found: Scan) -> None:
    """One that is left over would hide what comes back."""
    assert unused(found.findings, waivers("chart")) == []


def test_a_privileged_pod_is_found(tmp_path: Path) -> None:
    """The scanner does look: our serving without its security context breaks rules that nobody has waived."""
    install()
    (serving,) = [one for one in rendered("dev").of("Deployment") if one["metadata"]["name"].endswith("serving")]
    pod = serving["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    spec = pod["spec"] | {"containers": [container | {"securityContext": {"privileged": True}}]}
    weaker = serving | {"spec": serving["spec"] | {"template": pod | {"spec": spec}}}
    write(Release([weaker]), tmp_path / "weaker")
    left = list(not_waived(scan(tmp_path / "weaker", "kubernetes").findings, waivers("chart")))
    assert Finding("CKV_K8S_16", "Deployment.sluice-serving", "Container should not be privileged") in left
