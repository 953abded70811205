"""``helm/releases.yaml`` and its values, read without helmfile: Go's template engine is that of Helm."""

import re
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import helm_python
import yaml

from tests.helm.chart import REPOSITORY

FILE = REPOSITORY / "helm" / "releases.yaml"
Values = dict[str, Any]
# helmfile's own functions, of which Helm's engine has none, by what gives the same there.
_ACTIONS = {
    r'requiredEnv "(\w+)"': r'(required "\1" (index .Values.variables "\1"))',
    r'\benv "(\w+)"': r'(index .Values.variables "\1")',
    r"\.Environment\.Name": ".Values.environment",
}


def releases() -> dict[str, Any]:
    """The last document: the first has the environments."""
    *_, content = yaml.safe_load_all(FILE.read_text(encoding="utf-8"))
    found: dict[str, Any] = content
    return found


@cache
def values_of(name: str, environment: str = "prod") -> Values:
    """The values of a release, its files merged as Helm does for keys that are in one of them only."""
    (release,) = [one for one in releases()["releases"] if one["name"] == name]
    found: Values = {}
    for path in release["values"]:
        for key, value in yaml.safe_load(_text(FILE.parent / path, environment)).items():
            found[key] = {**found.get(key, {}), **value} if isinstance(value, dict) else value
    return found


def rendered(template: str, values: Values, files: dict[str, str] | None = None) -> str:
    """What Helm makes of one template."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "templates").mkdir()
        (root / "Chart.yaml").write_text("{apiVersion: v2, name: one, version: 0.0.0}")
        (root / "templates" / "one.yaml").write_text(template, encoding="utf-8")
        for name, text in (files or {}).items():
            (root / name).write_text(text, encoding="utf-8")
        (made,) = helm_python.Chart.load(folder).render(values, name="one", namespace="one").values()
    return str(made)


def _text(path: Path, environment: str) -> str:
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".gotmpl":
        return text
    files: dict[str, str] = {}

    def get(read: re.Match[str]) -> str:
        # From the folder of the file that says so, as helmfile does.
        source = (path.parent / read[1]).resolve(strict=True)
        files[source.name] = source.read_text(encoding="utf-8")
        return f'.Files.Get "{source.name}"'

    text = re.sub(r'readFile "([^"]+)"', get, text)
    for action, ours in _ACTIONS.items():
        text = re.sub(action, ours, text)
    return rendered(text, {"environment": environment, "variables": {"CLUSTER": "lab", "LOG_NAMESPACES": ""}}, files)
