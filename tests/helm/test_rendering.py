"""What the chart renders is valid for every Kubernetes version that it is for, whatever is switched on or off."""

import json
from functools import cache

import kubernetes_validate
import pytest
from kubernetes_validate import utils

from tests.helm.chart import ENVIRONMENTS, Release
from tests.helm.options import OPTIONS, rendered

VERSIONS = [f"1.{minor}" for minor in range(29, 37)]
# Of operators, which bring their own schemas to a cluster.
CUSTOM = frozenset({"ServiceMonitor", "PodMonitor", "PrometheusRule", "HTTPRoute", "ExternalSecret", "ScaledObject"})


@pytest.fixture(autouse=True, scope="module")
def schemas_read_once() -> None:
    """A schema has megabytes, and would be read for every object."""
    utils.schema_contents = cache(utils.schema_contents)


def problems(release: Release, version: str) -> list[str]:
    """What the API of this version would refuse, or drop: unknown fields too."""
    objects = [one for one in release.objects if one["kind"] not in CUSTOM]
    return [found for one in objects if (found := problem(json.dumps(one, sort_keys=True), version)) is not None]


@cache
def problem(document: str, version: str) -> str | None:
    """Of one object: most are the same ones whatever is chosen."""
    one = json.loads(document)
    try:
        kubernetes_validate.validate(one, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        at = ".".join(map(str, error.path))
        return f"{one['kind']}/{one['metadata']['name']} {at}: {error.message[:300]}"
    return None


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("version", [VERSIONS[0], VERSIONS[-1]])
def test_every_environment_is_valid(environment: str, version: str) -> None:
    """The oldest and the newest version take all objects, field by field."""
    assert problems(rendered(environment), version) == []


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_is_valid(option: str) -> None:
    """Each part can be switched off, replaced or chosen, over the development environment."""
    assert problems(rendered("dev", option), VERSIONS[-1]) == []


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_whole_matrix_is_valid(environment: str, version: str) -> None:
    """Environments, options and versions, each with each."""
    assert [problem for option in OPTIONS for problem in problems(rendered(environment, option), version)] == []


@pytest.mark.parametrize("option", OPTIONS)
def test_names_are_there_once(option: str) -> None:
    """Two objects of one kind and name would be one, whichever comes last."""
    names = [(one["kind"], one["metadata"]["name"]) for one in rendered("dev", option).objects]
    assert len(names) == len(set(names))
