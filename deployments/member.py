"""``python -m deployments.member SERVICE COMMAND...``: a command with the environment that its service has on a laptop.

For containers: they are given the settings (``SLUICE_…``) only. What Prefect, MLflow and Dask have to be told follows
from those, as it does in `sluice up`, so that no second list of their variables can grow old. What the container's own
environment says stays as it is.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from deployments.local import environment
from deployments.local.record import StackRecord
from sluice.errors import SettingsInvalidError
from sluice.settings import Settings

# Made in the home before the command starts, as `sluice up` does; a volume or a tmpfs is empty at first.
FOLDERS = ("mlflow", "prefect", "run", "work")


def member_environment(service: str, settings: Settings) -> dict[str, str]:
    """What `sluice up` gives the service with this name, for addresses that are in the settings."""
    record = StackRecord.of(settings, root=Path.cwd())
    return {
        **environment.service_environment(record),
        **environment.secret_environment(settings),
        **_own(service, record, settings),
        "OTEL_SERVICE_NAME": service,
    }


def _own(service: str, record: StackRecord, settings: Settings) -> Mapping[str, str]:
    match service:
        case "prefect-server":
            return {
                **environment.prefect_server_environment(record),
                # Its address is a name of the containers' network: it listens wherever it can be reached, and a
                # browser finds its API where people find its pages.
                "PREFECT_SERVER_API_HOST": "0.0.0.0",  # noqa: S104 a container's, of which one port is published
                "PREFECT_SERVER_UI_API_URL": f"{settings.prefect.pages}/api",
            }
        case "mlflow":
            return environment.mlflow_environment()
        case "prefect-worker":
            return environment.worker_environment()
        case "dask-scheduler" | "dask-workers":
            return environment.dask_environment()
    return {}


def main(arguments: list[str]) -> None:
    service, *command = arguments
    try:
        settings = Settings.load()
    except SettingsInvalidError as error:
        sys.exit(str(error))
    for folder in FOLDERS:
        (settings.home / folder).mkdir(parents=True, exist_ok=True)
    ours = member_environment(service, settings)
    given = {name: value for name, value in os.environ.items() if name != "NO_PROXY"}
    os.execvpe(command[0], command, {**ours, **given})  # noqa: S606 no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
