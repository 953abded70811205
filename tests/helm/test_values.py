"""The chart's values: every one has a comment and a place in the schema, and a wrong one is refused by its name."""

import re
from collections.abc import Iterator
from typing import Any

import helm_python
import pytest
import yaml

from deployments.chart_schema import COMPONENTS, schema
from tests.helm.chart import CHART, component, render
from tests.helm.options import rendered

VALUES = (CHART / "values.yaml").read_text(encoding="utf-8")
# Mappings whose keys are somebody else's, so that they have no comment each.
FREE = re.compile(r"namespaceLabels|labels|dashboardLabels|hard|requests|limits")


def closed(node: Any, path: str = "") -> Iterator[str]:
    """Paths of objects in the schema that take any property."""
    if isinstance(node, list):
        for part in node:
            yield from closed(part, path)
    elif isinstance(node, dict):
        if node.get("type") == "object" and "additionalProperties" not in node:
            yield path
        for key, part in node.items():
            yield from closed(part, f"{path}/{key}")


def test_schema_is_closed() -> None:
    """A name with a typing error is an error. What Kubernetes or Helm define is theirs to check."""
    theirs = {"/properties/global", *(f"/definitions/affinity/properties/{kind}" for kind in _AFFINITIES)}
    assert set(closed(schema())) == theirs


_AFFINITIES = ("nodeAffinity", "podAffinity", "podAntiAffinity")


def test_values_and_schema_have_the_same_names() -> None:
    """What the schema knows is in values.yaml, so that it can be found there."""
    content = schema()

    def compare(values: Any, node: dict[str, Any], path: str) -> None:
        node = content["definitions"][node["$ref"].rsplit("/", 1)[1]] if "$ref" in node else node
        if "properties" in node and isinstance(values, dict):
            optional = {"global"} if not path else set()
            if path.startswith("serviceAccounts") or path.endswith(("affinity", "resources")):
                return
            assert values.keys() == node["properties"].keys() - optional, path
            for key, value in values.items():
                compare(value, node["properties"][key], f"{path}.{key}".strip("."))

    compare(yaml.safe_load(VALUES), content, "")


def test_every_value_has_a_comment() -> None:
    """Above each key stands what it is for; a group may go without, if its name says it."""
    lines = VALUES.splitlines()
    bare = []
    for number, line in enumerate(lines):
        found = re.match(r"^( *)([A-Za-z]\w*):(.*)$", line)
        if not found or lines[number - 1].strip().startswith("#"):
            continue
        group = not found[3].strip()  # as volume:, whose parts have comments
        parents = [
            above for above in lines[:number] if above.strip() and len(above) - len(above.lstrip()) < len(found[1])
        ]
        inside = bool(parents) and FREE.fullmatch(parents[-1].split(":")[0].strip()) is not None
        if not group and not inside and not FREE.fullmatch(found[2]):
            bare.append(f"{number + 1}: {line}")
    assert bare == []


def test_components_are_those_of_the_chart() -> None:
    """Accounts can be annotated for every component there is, and no other."""
    accounts = rendered("default").of("ServiceAccount") + rendered("dev", "dask per run").of("ServiceAccount")
    assert {component(one) for one in accounts} == set(COMPONENTS)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"serving": {"replica": 3}}, "replica"),
        ({"nonsense": 1}, "nonsense"),
        ({"logLevel": "debug"}, "/logLevel"),
        ({"images": {"flows": {"tag": "latest"}}}, "/images/flows/tag"),
        ({"images": {"flows": {"digest": "sha256:1"}}}, "/images/flows/digest"),
        ({"dask": {"worker": {"threads": 0}}}, "/dask/worker/threads"),
        ({"serving": {"public": ["everything"]}}, "/serving/public"),
        ({"storage": {"volume": {"accessModes": []}}}, "/storage/volume/accessModes"),
        ({"prefect": {"server": {"externalUrl": "prefect:4200"}}}, "/prefect/server/externalUrl"),
        ({"persistence": {"keep": ["everything"]}}, "/persistence/keep"),
        ({"networkPolicy": {"sources": {"ports": [0]}}}, "/networkPolicy/sources/ports"),
        ({"settings": {"log level": "x"}}, "log level"),
        ({"serviceAccounts": {"dask": {}}}, "dask"),
        ({"serving": {"autoscaling": {"engine": "magic"}}}, "/serving/autoscaling/engine"),
        ({"flows": {"stages": {"training": {}}}}, "training"),
        ({"flows": {"stages": {"train": {"gpus": 1}}}}, "gpus"),
        ({"flows": {"useCases": {"movies": {"train": {"memory": "lots"}}}}}, "/flows/useCases/movies/train/memory"),
        ({"dask": {"perRun": {"janitor": {"schedule": "hourly"}}}}, "/dask/perRun/janitor/schedule"),
        ({"prefect": {"server": {"replicas": 0}}}, "/prefect/server/replicas"),
        ({"externalSecrets": {"refreshInterval": "daily"}}, "/externalSecrets/refreshInterval"),
        # What only the templates can know.
        ({"prefect": {"server": {"replicas": 2}}}, "prefect.server.redis.existingSecret"),
        ({"externalSecrets": {"enabled": True}}, "externalSecrets.entries.platform"),
        ({"externalSecrets": {"enabled": True, "entries": {"platform": "a"}}}, "externalSecrets.store.name"),
        ({"externalSecrets": {"enabled": True}, "secrets": {"existingSecret": "a"}}, "secrets.existingSecret"),
        ({"postgresql": {"enabled": False}}, "postgresql.external.existingSecret"),
        ({"mongodb": {"enabled": False}}, "mongodb.external.existingSecret"),
        ({"prefect": {"server": {"enabled": False}}}, "prefect.server.externalUrl"),
        ({"mlflow": {"enabled": False}}, "mlflow.externalUrl"),
        ({"dask": {"enabled": False, "perRun": {"enabled": True}}}, "dask.enabled"),
        ({"dask": {"perRun": {"enabled": True, "idleSeconds": 60}}}, "dask.perRun.idleSeconds"),
        ({"settings": {"SLUICE_MLFLOW__PASSWORD": "x"}}, "secretSettings.SLUICE_MLFLOW__PASSWORD"),
    ],
)
def test_wrong_values_are_refused_by_name(values: dict[str, Any], named: str) -> None:
    """The message has the name of the value, and the installation does not begin."""
    with pytest.raises(helm_python.HelmError) as raised:
        render(values=values)
    assert named in str(raised.value)


def test_settings_are_known() -> None:
    """Each SLUICE_ variable that the chart sets is one that the settings have: another would be ignored."""
    from sluice.settings import Settings

    for release in (rendered("default"), rendered("dev", "secrets of a vault"), rendered("dev", "object store")):
        names = set(release.settings())
        for _, pod in release.pods():
            names |= {variable["name"] for variable in pod["spec"]["containers"][0].get("env", [])}
        for name in sorted(name for name in names if name.startswith("SLUICE_")):
            field: Any = Settings
            for part in name.removeprefix("SLUICE_").lower().split("__"):
                field = field.model_fields[part].annotation
