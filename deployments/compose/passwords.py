"""Random passwords for `deployments/compose.yaml`: ``python3 -m deployments.compose.passwords``, from the checkout.

They go into ``deployments/.env``, which Compose reads by itself, and each that an image takes as a file into
``deployments/secrets/``. Neither is ever committed or copied into an image. What is there stays: run it again after an
update, and only what is new gets a value. No more than the standard library, as a server has no environment of ours.
"""

import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parents[1]
# By what it is for. Hexadecimal digits: they stand in addresses and need no quoting anywhere.
PASSWORDS = (
    "POSTGRES_PASSWORD",
    "PREFECT_DATABASE_PASSWORD",
    "MLFLOW_DATABASE_PASSWORD",
    "MONGODB_PASSWORD",
    "PREFECT_PASSWORD",
    "MLFLOW_PASSWORD",
    "GRAFANA_PASSWORD",
    "SERVING_KEY",
)
_PREFIXES = {"SERVING_KEY": "sluice_bootstrapkey_"}
# Of which images read a file.
FILES = tuple(name for name in PASSWORDS if name != "SERVING_KEY")
ALERTS = "alerts"
_HEAD = "# Made by `make compose-passwords`. Keep it: the databases know these passwords from their first start on.\n"


def made(there: Mapping[str, str]) -> dict[str, str]:
    """A value for each password; those that are there are kept."""
    return {name: there.get(name) or f"{_PREFIXES.get(name, '')}{secrets.token_hex(32)}" for name in PASSWORDS}


def read(path: Path) -> dict[str, str]:
    """The variables of an environment file; none where there is no file."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def write(folder: Path) -> list[str]:
    """Bring both up to date, and tell which variables are new."""
    path = folder / ".env"
    there = read(path)
    values = made(there)
    new = [name for name in PASSWORDS if not there.get(name)]
    if new:
        head = path.read_text(encoding="utf-8") if path.exists() else _HEAD
        kept = "".join(line for line in head.splitlines(keepends=True) if line.partition("=")[0].strip() not in new)
        _write(path, kept + "".join(f"{name}={values[name]}\n" for name in new), 0o600)
    own = folder / "secrets"
    # Nobody else comes through this folder; within a container, whatever user reads the file is not its owner.
    own.mkdir(mode=0o700, exist_ok=True)
    (own / ALERTS).mkdir(mode=0o755, exist_ok=True)
    for name in FILES:
        _write(own / name.lower(), values[name], 0o444)
    return new


def _write(path: Path, text: str, mode: int) -> None:
    """Renamed into place, so that nothing ever reads a half of it."""
    part = path.with_name(f"{path.name}.part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    part.chmod(mode)
    part.replace(path)


def main() -> None:
    new = write(FOLDER)
    sys.stdout.write(f"{FOLDER / '.env'}: {', '.join(new) or 'nothing'} new\n")


if __name__ == "__main__":
    main()
