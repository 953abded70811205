"""``python -m deployments.local.worker``: the stack's Prefect worker, once what an earlier one left is put in order.

A worker reports the end of the runs it started. When it is killed together with a run's process, nobody does, and the
run would show as Running until the automation of `deployments.zombies` notices. The next worker can tell at once: a run
whose process is not on this machine is over, and what it had locked is free.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
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
            put_in_order(prefect, settings.prefect.pool, settings.home / "prefect" / "concurrency_leases")
    command = ("worker", "start", "--pool", settings.prefect.pool, "--type", "process", "--name", "local")
    # In place of this process: the guard watches one process id.
    os.execv(sys.executable, (sys.executable, "-m", "prefect", *command, "--install-policy", "never"))  # noqa: S606 fixed arguments, no shell wanted


def put_in_order(prefect: httpx.Client, pool: str, leases: Path) -> list[str]:
    """Mark this pool's runs that are under way but have no process here as Crashed, and free what they had locked.

    Args:
        leases: the folder where the server keeps who holds which concurrency slot.

    Returns:
        The ids of those runs.
    """
    query = {"flow_runs": {"state": {"type": {"any_": _UNDER_WAY}}}}
    runs: list[dict[str, Any]] = prefect.post("/flow_runs/filter", json=query).raise_for_status().json()
    mine = {run["id"] for run in runs if run["work_pool_name"] == pool}
    lost = sorted(mine - _runs_with_a_process(mine))
    for run in lost:
        state = {"type": "CRASHED", "name": "Crashed", "message": _MESSAGE}
        prefect.post(f"/flow_runs/{run}/set_state", json={"state": state}).raise_for_status()
    alone = len(lost) == len(runs)
    for lease, holder in _leases(leases):
        if alone or holder in lost:
            prefect.post("/v2/concurrency_limits/decrement-with-lease", json={"lease_id": lease}).raise_for_status()
    if alone:
        _free_slots(prefect)
    return lost


def _free_slots(prefect: httpx.Client) -> None:
    """Nothing runs, so nothing can hold a slot, whatever the counters say after a crash of the server."""
    limits = prefect.post("/v2/concurrency_limits/filter", json={"limit": 200}).raise_for_status().json()
    for limit in limits:
        if limit["active_slots"]:
            path = f"/v2/concurrency_limits/{limit['id']}"
            prefect.patch(path, json={"active_slots": 0}).raise_for_status()


def _leases(folder: Path) -> Iterator[tuple[str, str | None]]:
    """Lease and holder, from the files of Prefect's filesystem storage; its API has no list of them."""
    for path in folder.glob("*-*.json"):
        try:
            lease = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # ended meanwhile
        holder = (lease.get("metadata") or {}).get("holder") or {}
        yield lease["id"], holder.get("id")


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
