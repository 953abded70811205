"""``python -m deployments.local.worker``: the stack's Prefect worker, once what an earlier one left is put in order."""

import os
import sys

from deployments.local.lost_runs import end_lost_runs
from sluice.settings import Settings


def main() -> None:
    settings = Settings.load()
    end_lost_runs(settings)
    command = ("worker", "start", "--pool", settings.prefect.pool, "--type", "process", "--name", "local")
    # In place of this process: the guard watches one process id.
    os.execv(sys.executable, (sys.executable, "-m", "prefect", *command, "--install-policy", "never"))  # noqa: S606 fixed arguments, no shell wanted


if __name__ == "__main__":
    main()
