"""Schedules that catch up: after an outage of the server or the worker, what each schedule's policy says happens.

Prefect alone loses the times that nobody made runs for, and starts all the late ones that were made. A sweep makes the
runs that are missing (once: they carry an idempotency key) and drops those that come too late. How far it has looked
is kept in the document store, so an outage of any length is seen. One sweep runs before a worker begins to poll, and
then one every few seconds (``python -m deployments.catch_up``).
"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from loguru import logger

from deployments.expiry import drop_expired, waiting
from sluice.documents import DocumentStore, open_documents
from sluice.errors import SluiceError
from sluice.runs import PrefectRuns
from sluice.schedule import Schedule
from sluice.settings import Settings

CURSORS = "schedule_cursors"
# A due time is looked at once Prefect has had time to make its run.
_SETTLE = timedelta(seconds=10)


class Swept(NamedTuple):
    """What one sweep did: runs it made, runs it dropped."""

    made: int
    dropped: int


class Scheduled(NamedTuple):
    """A deployment's schedule that has a policy, as Prefect has it now. ``id`` is the deployment's."""

    deployment: str
    id: str
    schedule_id: str
    active: bool
    schedule: Schedule


def schedules(prefect: PrefectRuns) -> list[Scheduled]:
    """Every schedule with a policy of ours, by deployment."""
    return sorted(_schedules(prefect), key=lambda found: found.deployment)


def _schedules(prefect: PrefectRuns) -> Iterator[Scheduled]:
    for deployment in prefect.every("/deployments/filter"):
        for schedule in deployment["schedules"]:
            policy = schedule.get("parameters", {}).get("schedule")
            if policy is not None:
                yield Scheduled(
                    deployment=f"{prefect.flow_name(deployment['flow_id'])}/{deployment['name']}",
                    id=deployment["id"],
                    schedule_id=schedule["id"],
                    active=schedule["active"] and not deployment["paused"],
                    schedule=Schedule.model_validate(policy),
                )


def switch(prefect: PrefectRuns, scheduled: Scheduled, active: bool) -> None:
    """Pause or resume one schedule."""
    if active:  # somebody may have paused the whole deployment in Prefect's pages
        prefect.request("POST", f"/deployments/{scheduled.id}/resume_deployment")
    _update(prefect, scheduled.id, scheduled.schedule_id, active, scheduled.schedule.model_dump(exclude_defaults=True))


def _update(prefect: PrefectRuns, deployment_id: str, schedule_id: str, active: bool, policy: dict[str, Any]) -> None:
    # With the policy: what a change leaves out of the parameters, Prefect forgets.
    body = {"active": active, "parameters": {"schedule": policy}}
    prefect.request("PATCH", f"/deployments/{deployment_id}/schedules/{schedule_id}", body)


def _restore(prefect: PrefectRuns, documents: DocumentStore) -> None:
    """Give schedules their policy back that lost it: pausing one in Prefect's own pages takes its parameters away."""
    for deployment in prefect.every("/deployments/filter"):
        for schedule in deployment["schedules"]:
            if "schedule" in schedule.get("parameters", {}):
                continue
            name = f"{prefect.flow_name(deployment['flow_id'])}/{deployment['name']}"
            known = documents.find_one(CURSORS, {"deployment": name})
            if known is not None and known.get("policy"):
                _update(prefect, deployment["id"], schedule["id"], schedule["active"], json.loads(known["policy"]))


def sweep(prefect: PrefectRuns, documents: DocumentStore, now: datetime | None = None) -> Swept:
    """Look once at every schedule.

    Raises:
        ServiceUnavailableError: Prefect or the document store; the next sweep goes on from where this one was.
    """
    now = now or datetime.now(UTC)
    made = dropped = 0
    _restore(prefect, documents)
    dropped += drop_expired(prefect, now)
    for scheduled in schedules(prefect):
        if scheduled.active:
            dropped += _drop_late(prefect, scheduled, now)
            made += _make_missing(prefect, documents, scheduled, now)
        # Also while it is paused: what passes then is not missed.
        set_cursor(documents, scheduled.deployment, now - _SETTLE)
        policy = json.dumps(scheduled.schedule.model_dump(exclude_defaults=True))
        documents.upsert(CURSORS, {"deployment": scheduled.deployment}, {"policy": policy})
    return Swept(made, dropped)


def set_cursor(documents: DocumentStore, deployment: str, until: datetime) -> None:
    """Due times up to ``until`` are settled. It never goes back."""
    known = documents.find_one(CURSORS, {"deployment": deployment})
    if known is None or known["until"] < until:
        documents.upsert(CURSORS, {"deployment": deployment}, {"until": until})


def _drop_late(prefect: PrefectRuns, scheduled: Scheduled, now: datetime) -> int:
    dropped = 0
    for run in prefect.runs_of(scheduled.id, **waiting(now)):
        # One that somebody started, or that is to be tried again, is wanted.
        if not run.of_schedule or run.run_count:
            continue
        reason = scheduled.schedule.why_dropped(run.expected_start_time, now)
        if reason is not None:
            prefect.set_state(run.id, "CANCELLED", reason, name=reason.partition(":")[0])
            logger.bind(deployment=scheduled.deployment, run=run.id).warning("{}: {}", scheduled.deployment, reason)
            dropped += 1
    return dropped


def _make_missing(prefect: PrefectRuns, documents: DocumentStore, scheduled: Scheduled, now: datetime) -> int:
    cursor = documents.find_one(CURSORS, {"deployment": scheduled.deployment})
    if cursor is None:
        return 0  # it is new: nothing was missed
    due = [tick for tick in scheduled.schedule.caught_up(cursor["until"], now) if tick <= now - _SETTLE]
    if not due:
        return 0
    between = {"after_": (due[0] - timedelta(seconds=1)).isoformat(), "before_": now.isoformat()}
    there = {_second(run.expected_start_time) for run in prefect.runs_of(scheduled.id, expected_start_time=between)}
    missing = [tick for tick in due if _second(tick) not in there]
    for tick in missing:
        prefect.start(
            scheduled.deployment,
            {"schedule": scheduled.schedule.model_dump(exclude_defaults=True)},
            due=tick,
            idempotency_key=f"catch-up {scheduled.deployment} {tick.isoformat()}",
            tags=["catch-up"],
        )
        logger.info("{}: caught up with {:%Y-%m-%d %H:%M:%S} UTC", scheduled.deployment, tick)
    return len(missing)


def _second(moment: datetime) -> int:
    return round(moment.timestamp())


def main() -> None:
    """Sweep until the process is ended. An outage is one line, and the next sweep."""
    from observability.process import configure_process

    settings = Settings.load()
    configure_process(settings, service="catch-up")
    documents = open_documents(settings)
    beat = beat_file(settings)
    beat.parent.mkdir(parents=True, exist_ok=True)  # in a home that no supervisor has set up
    failing = False
    with PrefectRuns.of(settings.prefect) as prefect:
        while True:
            try:
                sweep(prefect, documents)
                failing = False
            except SluiceError as error:
                if not failing:
                    logger.warning("{}", error)
                failing = True
            beat.touch()
            time.sleep(settings.prefect.catch_up_seconds)


def sweep_once(settings: Settings) -> None:
    """Before a worker polls. Never in its way: when Prefect does not answer, the worker will say so itself."""
    documents = open_documents(settings)
    try:
        with PrefectRuns.of(settings.prefect) as prefect:
            sweep(prefect, documents)
    except SluiceError as error:
        logger.warning("{}", error)
    finally:
        documents.close()


def beat_file(settings: Settings) -> Path:
    """Touched after each sweep, also one that could not reach Prefect: the process is at work."""
    return settings.home / "run" / "catch-up.beat"


if __name__ == "__main__":
    main()
