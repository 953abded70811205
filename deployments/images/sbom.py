"""An image's bill of materials: of uv's export of the lock, what is installed where this runs.

``python -I sbom.py LOCK OUT``, while an image is built: no more than the standard library. The lock is for all systems
and has every extra, so that much of it is in no image. CycloneDX 1.5 in, CycloneDX 1.5 out.
"""

import json
import re
import sys
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

OURS = "sluice"


def bill(lock: Mapping[str, Any], installed: Mapping[str, str]) -> dict[str, Any]:
    """The lock's bill without what is not installed.

    Args:
        installed: version by name, in the form of `normal`.

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
    return {**lock, "components": components, "dependencies": dependencies}


def normal(name: str) -> str:
    """A distribution's name as indexes compare it (https://packaging.python.org/en/latest/specifications/name-normalization/)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main(lock: str, out: str) -> None:
    installed = {normal(found.name): found.version for found in distributions()}
    try:
        made = bill(json.loads(Path(lock).read_text(encoding="utf-8")), installed)
    except ValueError as error:
        sys.exit(f"What is installed is {error}")
    Path(out).write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
