"""Environments of peers that cannot share ours: made by uv from pinned requirements, once, and kept."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
REQUIREMENTS = Path(__file__).parent / "peers"
# What is made once, and is not of the platform's own state.
KEPT = CHECKOUT / ".sluice" / "bench"


def peer_environment(name: str, requirements: Path = REQUIREMENTS, environments: Path = KEPT) -> Path:
    """The ``bin`` of the environment that ``<name>.txt`` describes; made if there is none of that content yet.

    Raises:
        RuntimeError: there is no uv, or it cannot install; with what it said.
    """
    file = requirements / f"{name}.txt"
    folder = environments / f"{name}-{hashlib.sha256(file.read_bytes()).hexdigest()[:12]}"
    if not (folder / "complete").exists():
        _uv("venv", "--clear", "--python", sys.executable, str(folder))
        _uv("pip", "install", "--python", str(folder / "bin" / "python"), "--requirement", str(file), "--compile")
        (folder / "complete").touch()  # last: an environment that was left half made is made again
    return folder / "bin"


def pinned(name: str, requirements: Path = REQUIREMENTS) -> dict[str, str]:
    """The version of each package that ``<name>.txt`` names."""
    lines = (requirements / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    found = (line.partition(";")[0].strip().partition("==") for line in lines if not line.startswith("#"))
    return {package: version for package, _, version in found}


def _uv(*arguments: str) -> None:
    own = CHECKOUT / ".uv" / "bin" / "uv"
    program = str(own) if own.exists() else shutil.which("uv")
    if program is None:
        raise RuntimeError("Peers are installed with uv, which is not here: make install")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"uv {' '.join(arguments)} failed:\n{done.stderr}")
