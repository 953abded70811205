"""Runs that are under way for Prefect but have no process: ended with a word of what to do, and what they held freed.

A worker reports the end of the runs it started. When it is killed together with a run's process, or both are stopped,
nobody does, and the run would show as Running until the automation of `deployments.zombies` notices. On the machine
where it ran it can be told at once: a run whose process is not there is over, and what it had locked is free.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from deployments.guard import process_ids
from deployments.local.record import is_local
from sluice.runs import FlowRun, PrefectRuns
from sluice.settings import Settings

_TODO = "Run it again; finished stages are skipped."
WORKER_LOST = f"The run's process is gone, and so was its worker. {_TODO}"
STACK_STOPPED = f"The stack was stopped while it ran (sluice down). {_TODO}"


def end_lost_runs(settings: Settings, message: str = WORKER_LOST) -> list[str]:
    """End this pool's runs that are under way but have no process here, and free what they had locked.

    Returns:
        Their deployments, sorted. None where Prefect's server is another machine's: its runs may be there too.
    """
    if not is_local(settings.prefect.url):
        return []
    leases = settings.home / "prefect" / "concurrency_leases"
    with PrefectRuns.of(settings.prefect) as prefect:
        lost = put_in_order(prefect, settings.prefect.pool, leases, message)
        return sorted(f"{prefect.flow_name(run.flow_id)}/{run.use_case}" for run in lost)


def put_in_order(prefect: PrefectRuns, pool: str, leases: Path, message: str) -> list[FlowRun]:
    """What `end_lost_runs` does. ``leases``: the folder where the server keeps who holds which concurrency slot.

    A worker takes the run of a schedule some seconds before it is due. One that had not begun waits again for its time:
    whether it is still wanted when there is a worker, the schedule's policy says.
    """
    everywhere = prefect.under_way()
    alive = _with_a_process(run.id for run in everywhere)
    lost = [run for run in everywhere if run.work_pool_name == pool and run.id not in alive]
    waiting = [run for run in lost if run.of_schedule and run.state_type == "PENDING" and not run.run_count]
    for run in waiting:
        prefect.set_state(run.id, "SCHEDULED", "It was taken by a worker and not begun.", due=run.expected_start_time)
    ended = [run for run in lost if run not in waiting]
    for run in ended:
        # Prefect lets a run that is being cancelled become nothing else.
        prefect.set_state(run.id, "CANCELLED" if run.state_type == "CANCELLING" else "CRASHED", message)
    alone = len(lost) == len(everywhere)
    for lease, holder in _leases(leases):
        if alone or holder in {run.id for run in lost}:
            prefect.request("POST", "/v2/concurrency_limits/decrement-with-lease", {"lease_id": lease})
    if alone:
        _free_slots(prefect)
    return ended


def _free_slots(prefect: PrefectRuns) -> None:
    """Nothing runs, so nothing can hold a slot, whatever the counters say after a crash of the server."""
    for limit in prefect.request("POST", "/v2/concurrency_limits/filter", {"limit": 200}):
        if limit["active_slots"]:
            prefect.request("PATCH", f"/v2/concurrency_limits/{limit['id']}", {"active_slots": 0})


def _leases(folder: Path) -> Iterator[tuple[str, str | None]]:
    """Lease and holder, from the files of Prefect's filesystem storage; its API has no list of them."""
    for path in folder.glob("*-*.json"):
        try:
            lease = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # ended meanwhile
        holder = (lease.get("metadata") or {}).get("holder") or {}
        yield lease["id"], holder.get("id")


def _with_a_process(runs: Iterable[str]) -> set[str]:
    wanted = {f"PREFECT__FLOW_RUN_ID={run}".encode(): run for run in runs}
    found: set[str] = set()
    for pid in process_ids() if wanted else ():
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                found.update(wanted[entry] for entry in wanted.keys() & set(file.read().split(b"\0")))
        except OSError:
            continue
    return found
