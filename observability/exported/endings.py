"""What happened to runs since a moment, from Prefect: the terminal states they entered, and their starts.

Two ways, since each misses something. The history of events has every state, also of a run that was tried again or
deleted since, but an event that was on its way when Prefect died never got there. The runs themselves are never
missing, but show the last state only. An event's id is the id of the state that it tells of, so both name it alike.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from sluice.runs import FINAL, PrefectRuns

# What the history is not asked for: states on the way to an end, and signs of life. Names of ends are free.
_ON_THE_WAY = [
    f"prefect.flow-run.{name}"
    for name in (
        "heartbeat", "Running", "Pending", "Scheduled", "Late", "AwaitingRetry", "Retrying", "Paused", "Suspended",
        "Resuming", "Cancelling", "AwaitingConcurrencySlot",
    )
]  # fmt: skip
_RUN = "prefect.flow-run."
_DEPLOYMENT = "prefect.deployment."
_AT_ONCE = 100


class Ending(NamedTuple):
    """A run entered a terminal state.

    Attributes:
        seconds: that it was Running, all its tries; None where it never began, or was deleted since.
    """

    state_id: str
    run_id: str
    name: str
    deployment_id: str
    type: str
    state_name: str
    at: datetime
    seconds: float | None


class Start(NamedTuple):
    """A run began, ``delay`` seconds after it was due."""

    run_id: str
    deployment_id: str
    at: datetime
    delay: float


class Endings:
    def __init__(self, prefect: PrefectRuns) -> None:
        self._prefect = prefect

    def server_time(self) -> datetime:
        """By the clock that dates the states: ours may be another."""
        answer = self._prefect.answer("GET", "/health")
        if not answer.is_success:
            raise self._prefect.unavailable(f"It said {answer.status_code} to GET /health")
        return parsedate_to_datetime(answer.headers["date"])

    def since(self, moment: datetime) -> list[Ending]:
        """All since then, each once, in the order in which they happened."""
        runs = {run["id"]: run for run in self._runs(end_time={"after_": moment.isoformat()})}
        found = {ending.state_id: ending for ending in map(_of_run, runs.values()) if ending is not None}
        events = [event for event in self._events(moment) if event["id"] not in found]
        told = sorted({_id(event["resource"]["prefect.resource.id"], _RUN) for event in events} - runs.keys())
        for start in range(0, len(told), _AT_ONCE):
            runs |= {run["id"]: run for run in self._runs(id={"any_": told[start : start + _AT_ONCE]})}
        for ending in (_of_event(event, runs) for event in events):
            if ending is not None:
                found[ending.state_id] = ending
        return sorted(found.values(), key=lambda ending: ending.at)

    def starts(self, moment: datetime) -> list[Start]:
        """Runs that began since then."""
        found = self._runs(start_time={"after_": moment.isoformat()})
        return [
            Start(run["id"], run["deployment_id"], _time(run["start_time"]), _seconds(run, "start_time"))
            for run in found
            if run["deployment_id"] and run["start_time"] and _began(run)
        ]

    def latest(self, deployment_id: str, types: Sequence[str]) -> Ending | None:
        """The newest run of a deployment whose last state is of one of these types."""
        wanted = {"deployment_id": {"any_": [deployment_id]}, "state": {"type": {"any_": list(types)}}}
        body = {"flow_runs": wanted, "sort": "END_TIME_DESC", "limit": 1}
        found = self._prefect.request("POST", "/flow_runs/filter", body)
        return _of_run(found[0]) if found else None

    def _runs(self, **wanted: Any) -> Iterator[dict[str, Any]]:
        # By id: what ends meanwhile must not move the rest from one page to another.
        return self._prefect.every("/flow_runs/filter", {"flow_runs": wanted, "sort": "ID_DESC"})

    def _events(self, moment: datetime) -> Iterator[dict[str, Any]]:
        wanted = {
            "occurred": {"since": moment.isoformat()},
            "event": {"prefix": [_RUN], "exclude_name": _ON_THE_WAY},
            "order": "ASC",
        }
        page = self._prefect.request("POST", "/events/filter", {"filter": wanted, "limit": 50})
        while True:
            yield from (one for one in page["events"] if one["resource"].get("prefect.state-type") in FINAL)
            if not page["next_page"]:
                return
            # The address is as the server sees itself, which a proxy in between may not be able to follow.
            path = urlsplit(page["next_page"])
            page = self._prefect.request("GET", f"{path.path.removeprefix('/api')}?{path.query}")


def _of_run(run: Mapping[str, Any]) -> Ending | None:
    state = run.get("state") or {}
    if not run["deployment_id"] or run["state_type"] not in FINAL:
        return None
    at = _time(state.get("timestamp") or run["end_time"])
    known = (run["deployment_id"], run["state_type"], run["state_name"] or "", at)
    return Ending(run["state_id"], run["id"], run["name"], *known, _running(run))


def _of_event(event: Mapping[str, Any], runs: Mapping[str, Mapping[str, Any]]) -> Ending | None:
    resource = event["resource"]
    run_id = _id(resource["prefect.resource.id"], _RUN)
    run = runs.get(run_id, {})
    ids = [one["prefect.resource.id"] for one in event["related"]]
    deployment = run.get("deployment_id") or next(
        (_id(id, _DEPLOYMENT) for id in ids if id.startswith(_DEPLOYMENT)), ""
    )
    if not deployment:
        return None
    known = (deployment, resource["prefect.state-type"], resource.get("prefect.state-name", ""))
    name = resource.get("prefect.resource.name", "")
    return Ending(event["id"], run_id, name, *known, _time(event["occurred"]), _running(run))


def _began(run: Mapping[str, Any]) -> bool:
    """By the number of its tries: Prefect dates the start of a run that never began, too, when it ends."""
    return bool(run.get("run_count"))


def _running(run: Mapping[str, Any]) -> float | None:
    return float(run["total_run_time"]) if _began(run) else None


def _seconds(run: Mapping[str, Any], to: str) -> float:
    return (_time(run[to]) - _time(run["expected_start_time"])) / timedelta(seconds=1)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _id(resource: str, prefix: str) -> str:
    return resource.removeprefix(prefix)
