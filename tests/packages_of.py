"""A project in a folder, as if it were installed: found on the path by its metadata."""

import tomllib
from pathlib import Path


def make_findable(project: Path) -> None:
    """Write the metadata that an installer makes of the project's pyproject.toml, beside its package."""
    described = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    name, version = described["name"], described["version"]
    information = project / f"{name}-{version}.dist-info"
    information.mkdir(exist_ok=True)
    lines = [
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in points.items())
        for group, points in described["entry-points"].items()
    ]
    (information / "entry_points.txt").write_text("".join(lines))
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
