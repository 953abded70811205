"""An image's bill of materials: of uv's export of the lock, what is installed where this runs.

``python -I sbom.py LOCK OUT``, while an image is built: no more than the standard library. The lock is for all systems
and has every extra, so that much of it is in no image. CycloneDX 1.5 in, CycloneDX 1.5 out. Hashes are the lock's, of
the archives that were installed; what slim.py then took out of one stands in its pedigree.
"""

import json
import re
import sys
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

OURS = "sluice"
# What slim.py leaves beside RECORD.
NOTE = "SLIMMED"


def bill(lock: Mapping[str, Any], installed: Mapping[str, str], changed: Mapping[str, str]) -> dict[str, Any]:
    """The lock's bill without what is not installed.

    Args:
        installed: version by name, in the form of `normal`.
        changed: by name, what was done to the files of a package after its installation.

    Raises:
        ValueError: something is installed that is not in the lock, or in another version.
    """
    components = [part for part in lock["components"] if installed.get(normal(part["name"])) == part["version"]]
    unknown = installed.keys() - {normal(part["name"]) for part in components} - {OURS}
    if unknown:
        raise ValueError(
            f"not as the lock has it: {', '.join(f'{name} {installed[name]}' for name in sorted(unknown))}"
        )
    here = {part["bom-ref"] for part in (*components, lock["metadata"]["component"])}
    dependencies = [
        {"ref": one["ref"], "dependsOn": [ref for ref in one.get("dependsOn", ()) if ref in here]}
        for one in lock.get("dependencies", ())
        if one["ref"] in here
    ]
    told = [_with_pedigree(part, changed.get(normal(part["name"]))) for part in components]
    return {**lock, "components": told, "dependencies": dependencies}


def normal(name: str) -> str:
    """A distribution's name as indexes compare it (https://packaging.python.org/en/latest/specifications/name-normalization/)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _with_pedigree(part: dict[str, Any], notes: str | None) -> dict[str, Any]:
    return {**part, "pedigree": {"notes": notes.strip()}} if notes else part


def main(lock: str, out: str) -> None:
    here = {normal(found.name): found for found in distributions()}
    installed = {name: found.version for name, found in here.items()}
    changed = {name: note for name, found in here.items() if (note := found.read_text(NOTE))}
    try:
        made = bill(json.loads(Path(lock).read_text(encoding="utf-8")), installed, changed)
    except ValueError as error:
        sys.exit(f"What is installed is {error}")
    Path(out).write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
