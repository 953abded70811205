"""``deployments/compose.yaml`` as Compose reads it: merged, with its variables filled in."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from deployments.compose.passwords import made

PATH = Path(__file__).parents[2] / "deployments" / "compose.yaml"
TEXT = PATH.read_text(encoding="utf-8")
# ${NAME}, ${NAME:-default}, ${NAME:?what to do}
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<text>[^}]*))?\}")
PASSWORDS = made({})
OURS = ("sluice-flows", "sluice-serving")


def filled(value: Any, given: Mapping[str, str]) -> Any:
    """A value with its variables in place. One that has to be given and is not is an error, as it is for Compose."""
    if isinstance(value, dict):
        return {key: filled(one, given) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, given) for one in value]
    if not isinstance(value, str):
        return value

    def fill(found: "re.Match[str]") -> str:
        if given.get(found["name"]):
            return given[found["name"]]
        if found["kind"] == "?":
            raise KeyError(found["name"])
        return found["text"] or ""

    return _VARIABLE.sub(fill, value)


def variables(kind: str) -> set[str]:
    """Names of variables of a kind: ``?`` have to be given, ``-`` have a default."""
    return {found["name"] for found in _VARIABLE.finditer(TEXT) if found["kind"] == kind}


RAW: dict[str, Any] = yaml.safe_load(TEXT)
CONTENT: dict[str, Any] = filled(RAW, PASSWORDS)
SERVICES: dict[str, dict[str, Any]] = CONTENT["services"]


def ours() -> Iterator[str]:
    """Services of our own images."""
    return (name for name, service in SERVICES.items() if service["image"].startswith(OURS))


def mounts(service: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Source and options by where it is mounted."""
    found = {}
    for mount in service.get("volumes", ()):
        source, target, *options = mount.split(":")
        found[target] = (source, ",".join(options))
    return found


def writable(service: Mapping[str, Any]) -> set[str]:
    """Where it may write: memory, and volumes that are not read-only."""
    memory = (at.partition(":")[0] for at in service.get("tmpfs", ()))
    return {*memory, *(at for at, (_, options) in mounts(service).items() if "ro" not in options)}
