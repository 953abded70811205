"""``python -m deployments.cluster.register [FILE]``: what a release's hook does after each install and upgrade.

The work pool with the release's own job template, the limits, all deployments with their schedules, the automation.
Everything is written by name, so it can be done again. FILE has the release's changes to the job template.
"""

import os
import sys
from pathlib import Path

from loguru import logger

from deployments.cluster.job_template import JobChanges
from deployments.local.environment import secret_environment
from observability.logging import configure_logging
from sluice.errors import SluiceError
from sluice.settings import Settings


def main(arguments: list[str]) -> None:
    """Until Prefect knows all of it; otherwise it ends with a line that says what is missing."""
    try:
        settings = Settings.load()
        configure_logging(settings, service="deploy")
        changes = JobChanges.read(Path(arguments[0])) if arguments else JobChanges()
        # Prefect reads its settings when it is imported.
        os.environ.update({"PREFECT_API_URL": settings.prefect.url} | secret_environment(settings))
        from deployments.register import register

        deployments = register(settings, "kubernetes", pool=settings.prefect.pool, changes=changes)
    except SluiceError as error:
        sys.exit(str(error))
    for deployment in deployments:
        logger.info("Registered {} in the work pool {}", deployment.full_name, deployment.pool)


if __name__ == "__main__":
    main(sys.argv[1:])
