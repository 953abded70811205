"""``python -m deployments.chart_files [--check]``: what the Helm chart takes from elsewhere in the repository.

Helm reads no file outside of a chart, so rules, dashboards, logging configurations and the environment that the local
stack gives its services too are written into ``helm/sluice/files``, and beside it the schema of the values and the
table of them in the README. Nothing of these is changed by hand.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from deployments.chart_schema import schema
from deployments.chart_values import readme
from deployments.local import environment
from deployments.local.record import StackRecord
from observability.prometheus.rules import rule_files
from sluice.settings import Settings

CHART = Path("helm/sluice")
# All that is in this folder comes from here.
ROOT = CHART / "files"
_DASHBOARDS = environment.LOGGING / "grafana" / "dashboards"
# What the chart says itself: addresses in a cluster are of services.
_OF_A_HOST = ("PREFECT_SERVER_API_HOST", "PREFECT_SERVER_API_PORT", "PREFECT_SERVER_UI_API_URL")
# Variables of every process that are the same wherever it runs.
_EVERYWHERE = (
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY",
    "DO_NOT_TRACK",
    "PREFECT_SERVER_ANALYTICS_ENABLED",
    "MLFLOW_DISABLE_TELEMETRY",
    "NO_COLOR",
    "PREFECT_LOGGING_COLORS",
    "PYTHONUNBUFFERED",
    "PYTHONSAFEPATH",
)


def rendered(root: Path) -> dict[Path, str]:
    """Every file below ``root``, by its path."""
    described = CHART / "README.md"
    texts = {
        described: readme(*((root / path).read_text(encoding="utf-8") for path in (described, CHART / "values.yaml"))),
        CHART / "values.schema.json": json.dumps(schema(), indent=1) + "\n",
        ROOT / "environment.json": json.dumps(environments(), indent=2, sort_keys=True) + "\n",
    }
    for name in ("prefect_logging.yaml", "uvicorn_logging.json"):
        texts[ROOT / "logging" / name] = (environment.LOGGING / name).read_text(encoding="utf-8")
    for rules in rule_files():
        texts[ROOT / "rules" / rules.name] = rules.read_text(encoding="utf-8")
    for dashboard in sorted(_DASHBOARDS.glob("*.json")):
        # On one line: a release, with all of its files, has to fit into a Secret of 1 MiB.
        texts[ROOT / "dashboards" / dashboard.name] = (
            json.dumps(json.loads(dashboard.read_text(encoding="utf-8"))) + "\n"
        )
    return texts


def environments() -> dict[str, Mapping[str, str]]:
    """What services get besides addresses and secrets, by service."""
    record = StackRecord.of(Settings(), root=Path())
    server = environment.prefect_server_environment(record)
    everywhere = environment.service_environment(record)
    return {
        "everywhere": {name: everywhere[name] for name in _EVERYWHERE},
        "prefect-server": {name: value for name, value in server.items() if name not in _OF_A_HOST},
        "prefect-worker": environment.worker_environment(),
        "dask": environment.dask_environment(),
    }


def stale(root: Path) -> list[Path]:
    """The files below ``root`` that are not what they would be now, also those that should not be there."""
    wanted = {root / path: text for path, text in rendered(root).items()}
    there = {path for path in (root / ROOT).rglob("*") if path.is_file()}
    there |= {path for path in wanted if path.is_file()}
    differing = {path for path in there & wanted.keys() if path.read_text(encoding="utf-8") != wanted[path]}
    return sorted((there ^ wanted.keys()) | differing)


def write(root: Path) -> list[Path]:
    """Make them what they should be; gives what was changed."""
    changed = stale(root)
    texts = {root / path: text for path, text in rendered(root).items()}
    for path in changed:
        if path in texts:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(texts[path], encoding="utf-8")
        else:
            path.unlink()
    return changed


def main(arguments: list[str]) -> int:
    from deployments.terminal import console, errors

    root = Path.cwd()
    if arguments == ["--check"]:
        if differing := stale(root):
            names = ", ".join(str(path.relative_to(root)) for path in differing)
            errors.print(f"{names}: stale. Write them again: python -m deployments.chart_files")
            return 1
        console.print(f"{ROOT} matches the code.")
        return 0
    for path in write(root):
        console.print(f"Wrote {path.relative_to(root)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
