"""``python -m deployments.local.worker``: the stack's Prefect worker, once what an earlier one left is put in order.

Runs without a process are ended, and schedules catch up, before anything is polled.
"""

import os
import sys

from deployments.catch_up import sweep_once
from deployments.local.lost_runs import end_lost_runs
from observability.ending import end
from observability.logging import configure_logging
from sluice.settings import Settings


def main() -> None:
    settings = Settings.load()
    configure_logging(settings, service="prefect-worker")
    end_lost_runs(settings)
    sweep_once(settings)
    end()  # what was said so far goes to Loki: nothing of this process is left to send it later
    command = ("worker", "start", "--pool", settings.prefect.pool, "--type", "process", "--name", "local")
    # In place of this process: the guard watches one process id.
    os.execv(sys.executable, (sys.executable, "-m", "prefect", *command, "--install-policy", "never"))  # noqa: S606 fixed arguments, no shell wanted


if __name__ == "__main__":
    main()
