"""``python -m deployments.local.worker``: the stack's Prefect worker, once what an earlier one left is put in order.

A worker reports the end of the runs it started. When it is killed together with a run's process, nobody does, and the
run would show as Running until the automation of `deployments.zombies` notices. The next worker can tell at once: a run
whose process is not on this machine is over.
"""

import os
import sys
from collections.abc import Iterable
from typing import Any

import httpx

from deployments.guard import process_ids
from deployments.local.record import is_local
from sluice.settings import Settings

# The types of a run that has, or had, a process.
_UNDER_WAY = ["PENDING", "RUNNING", "CANCELLING"]
_MESSAGE = "The run's process is gone, and so was its worker. Run it again; finished stages are skipped."


def main() -> None:
    settings = Settings.load()
    if is_local(settings.prefect.url):  # another server's runs may be on other machines
        with httpx.Client(base_url=settings.prefect.url, trust_env=False, timeout=10) as prefect:
            crash_lost_runs(prefect, settings.prefect.pool)
    command = ("worker", "start", "--pool", settings.prefect.pool, "--type", "process", "--name", "local")
    # In place of this process: the guard watches one process id.
    os.execv(sys.executable, (sys.executable, "-m", "prefect", *command, "--install-policy", "never"))  # noqa: S606 fixed arguments, no shell wanted


def crash_lost_runs(prefect: httpx.Client, pool: str) -> list[str]:
    """Mark runs of this pool that are under way but have no process here as Crashed. Returns their ids."""
    query = {
        "work_pools": {"name": {"any_": [pool]}},
        "flow_runs": {"state": {"type": {"any_": _UNDER_WAY}}},
    }
    runs: list[dict[str, Any]] = prefect.post("/flow_runs/filter", json=query).raise_for_status().json()
    lost = sorted({run["id"] for run in runs} - _runs_with_a_process(run["id"] for run in runs))
    for run in lost:
        state = {"type": "CRASHED", "name": "Crashed", "message": _MESSAGE}
        prefect.post(f"/flow_runs/{run}/set_state", json={"state": state}).raise_for_status()
    return lost


def _runs_with_a_process(runs: Iterable[str]) -> set[str]:
    wanted = {f"PREFECT__FLOW_RUN_ID={run}".encode(): run for run in runs}
    found: set[str] = set()
    for pid in process_ids() if wanted else ():
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                found.update(wanted[entry] for entry in wanted.keys() & set(file.read().split(b"\0")))
        except OSError:
            continue
    return found


if __name__ == "__main__":
    main()
