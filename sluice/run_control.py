"""To end a run, and to try one again that is over."""

from datetime import UTC, datetime

from sluice.errors import RunRetryRefusedError, RunUnderWayError
from sluice.run_details import find
from sluice.runs import FlowRun, PrefectRuns


def cancel(prefect: PrefectRuns, run_id: str, by: str) -> FlowRun:
    """Have a run ended, with the runs that it started; gives it as it is now. One that is over stays as it is.

    Raises:
        RunNotFoundError: Prefect has no such run.
    """
    return prefect.cancel(find(prefect, run_id).id, f"Cancelled by {by}.")


def retry(prefect: PrefectRuns, run_id: str, by: str) -> FlowRun:
    """Try a run again, as the same run; gives it as it is now. What its stages finished is not done again.

    Raises:
        RunNotFoundError: Prefect has no such run.
        RunUnderWayError: it is not over.
        RunRetryRefusedError: it completed, or no deployment made it, or Prefect does not want to.
    """
    run = find(prefect, run_id)
    told = {"run": run.id, "name": run.name, "state": run.state_name}
    if not run.final:
        raise RunUnderWayError(**told)
    if run.completed:
        reason = "it did what it was asked. Start a new one to do it once more: sluice run, or POST /runs."
        raise RunRetryRefusedError(**told, reason=reason)
    if run.deployment_id is None:
        reason = "no deployment made it, so no worker would take it. It ran in a process of its own: start that again."
        raise RunRetryRefusedError(**told, reason=reason)
    state = {
        "type": "SCHEDULED",
        "name": "AwaitingRetry",
        "message": f"Tried again by {by}.",
        "state_details": {"scheduled_time": datetime.now(UTC).isoformat()},
    }
    said = prefect.request("POST", f"/flow_runs/{run.id}/set_state", {"state": state})
    if said["status"] != "ACCEPT":
        reason = (said.get("details") or {}).get("reason") or "Prefect gave no reason."
        raise RunRetryRefusedError(**told, reason=reason)
    return prefect.read(run.id)
