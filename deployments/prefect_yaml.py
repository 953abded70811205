"""``prefect.yaml``, rendered from the use cases; committed, so that plain `prefect deploy --all` works too."""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from deployments.deployment import Deployment, PoolType, deployments_of, installed_configs
from deployments.errors import RenderedStaleError
from sluice.use_case import UseCaseConfig

PATHS: dict[PoolType, Path] = {
    "process": Path("prefect.yaml"),
    "kubernetes": Path("deployments/kubernetes/prefect.yaml"),
}

_HEAD = """\
# Rendered from the use cases by `sluice deploy --render`; change their use_case.yaml, not this file.
# `sluice deploy --check` says when it is stale. Use it with: prefect deploy --all{option}
"""


def render(configs: Iterable[UseCaseConfig], pool_type: PoolType) -> str:
    """The text of the file for one type of work pool."""
    option = "" if pool_type == "process" else f" --prefect-file {PATHS[pool_type]}"
    content = {
        "name": "sluice",
        # Flows are installed where they run; without this line Prefect would copy the folder for each run.
        "pull": [],
        "deployments": [_entry(deployment) for deployment in deployments_of(configs, pool_type)],
    }
    return _HEAD.format(option=option) + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)


def write_all(root: Path) -> list[Path]:
    """Write the files for every type of work pool below ``root``. The use cases that ship are in them."""
    written = []
    for pool_type, text in _rendered().items():
        path = root / PATHS[pool_type]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def check_all(root: Path) -> None:
    """Compare the files below ``root`` with what the use cases say now.

    Raises:
        RenderedStaleError: with the difference, for all files that are stale.
    """
    stale: list[str] = []
    difference: list[str] = []
    for pool_type, text in _rendered().items():
        path = root / PATHS[pool_type]
        there = path.read_text(encoding="utf-8") if path.exists() else ""
        if there != text:
            name = str(PATHS[pool_type])
            stale.append(name)
            difference += difflib.unified_diff(
                there.splitlines(keepends=True), text.splitlines(keepends=True), name, f"{name} (rendered now)"
            )
    if stale:
        raise RenderedStaleError(paths=", ".join(stale), diff="".join(difference))


def _rendered() -> dict[PoolType, str]:
    configs = installed_configs(shipped_only=True)
    return {pool_type: render(configs, pool_type) for pool_type in PATHS}


def _entry(deployment: Deployment) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": deployment.name,
        "entrypoint": deployment.entrypoint,
        "description": deployment.description,
        "parameters": deployment.parameters,
        "tags": deployment.tags,
        "schedules": deployment.schedules,
    }
    if deployment.concurrency_limit:
        # ENQUEUE: the other strategy leaves runs in Late.
        entry["concurrency_limit"] = {"limit": deployment.concurrency_limit, "collision_strategy": "ENQUEUE"}
    entry["work_pool"] = {"name": deployment.pool, "job_variables": deployment.job_variables}
    return entry
