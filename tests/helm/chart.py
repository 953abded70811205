"""The chart, rendered by Helm's own engine, as objects that a test can ask for."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import helm_python
import yaml

REPOSITORY = Path(__file__).parents[2]
CHART = REPOSITORY / "helm" / "sluice"
RELEASE, NAMESPACE = "sluice", "mlops"
ENVIRONMENTS = ("default", "dev", "staging", "prod")
Object = dict[str, Any]
# In C where PyYAML has it: a rendering has 100 KB.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# What has pods, and where their template is.
WORKLOADS = frozenset({"Deployment", "StatefulSet", "Job", "CronJob"})


@cache
def _chart() -> helm_python.Chart:
    return helm_python.Chart.load(str(CHART))


def environment(name: str) -> Object:
    """The values file of an environment."""
    if name == "default":
        return {}
    content: Object = yaml.safe_load((REPOSITORY / "helm" / f"values-{name}.yaml").read_text(encoding="utf-8"))
    return content


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> Object:
    """As Helm merges values: mappings are, all else is replaced."""
    values = dict(under)
    for key, value in over.items():
        known = values.get(key)
        values[key] = merged(known, value) if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return values


class Release:
    """All objects of one rendering."""

    def __init__(self, objects: list[Object]) -> None:
        self.objects = objects

    def of(self, *kinds: str) -> list[Object]:
        return [one for one in self.objects if one["kind"] in kinds]

    def one(self, kind: str, name: str) -> Object:
        (found,) = [one for one in self.of(kind) if one["metadata"]["name"] == f"{RELEASE}-{name}"]
        return found

    def has(self, kind: str, name: str) -> bool:
        return any(one["metadata"]["name"] == f"{RELEASE}-{name}" for one in self.of(kind))

    def pods(self) -> Iterator[tuple[str, Object]]:
        """Every pod's component and its template: metadata and spec."""
        for one in self.objects:
            if one["kind"] in WORKLOADS:
                spec = one["spec"]["jobTemplate"]["spec"] if one["kind"] == "CronJob" else one["spec"]
                yield component(one), spec["template"]
            elif one["kind"] == "Pod":
                yield component(one), one

    def settings(self) -> Mapping[str, str]:
        data: Mapping[str, str] = self.one("ConfigMap", "settings")["data"]
        return data


def component(one: Object) -> str:
    return str(one["metadata"]["labels"]["app.kubernetes.io/component"])


def render(name: str = "default", values: Mapping[str, Any] | None = None, upgrade: bool = False) -> Release:
    """An environment with these values over its own.

    Raises:
        helm_python.HelmError: as `helm install` would fail.
    """
    files = _chart().render(
        merged(environment(name), values or {}),
        name=RELEASE,
        namespace=NAMESPACE,
        revision=2 if upgrade else 1,
        is_install=not upgrade,
        is_upgrade=upgrade,
    )
    manifests = (text for path, text in sorted(files.items()) if not path.endswith("NOTES.txt"))
    return Release([one for text in manifests for one in yaml.load_all(text, _LOADER) if one])
