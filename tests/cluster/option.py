"""The release with other values, for the tests of one module."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.cluster.platform import Platform
from tests.helm.chart import RELEASE, merged


@contextmanager
def with_option(platform: Platform, values: Mapping[str, Any]) -> Iterator[Platform]:
    """Beside these values nothing is changed; a release that was not there before is removed again."""
    kubectl = platform.kubectl
    before = kubectl("get", "secrets", f"--selector=owner=helm,name={RELEASE}", "--output=name").split()
    made = Platform(kubectl, platform.helm, merged(platform.values, values))
    if before:
        made.upgrade({})
        yield made
        platform.upgrade({})
        return
    made.install()
    yield made
    platform.helm.uninstall(RELEASE, timeout=600)
    # What an uninstall keeps would be taken up by the next test's release.
    kubectl("delete", "persistentvolumeclaims,secrets", f"--selector=app.kubernetes.io/instance={RELEASE}")
