"""`sluice schedules`: what runs by itself, when next, and what was missed."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from deployments.catch_up import Scheduled
    from sluice.runs import PrefectRuns

Which = Annotated[
    str, typer.Argument(help="A use case, or one of its flows as FLOW/USE_CASE; all, if not given.", metavar="[WHICH]")
]
Every = Annotated[bool, typer.Option("--all", help="All of them, as without WHICH; for a script that says so.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for a script.")]
schedules = typer.Typer(no_args_is_help=True, help="See, pause and resume what runs by itself.")


def add_to(app: typer.Typer) -> None:
    app.add_typer(schedules, name="schedules", rich_help_panel="Use cases")


@schedules.command("list")
def list_schedules(which: Which = "", as_json: AsJson = False) -> None:
    """List the schedules: when each is due next, what happens to times that are missed, how many were dropped.

    Dropped are runs of the last seven days that came too late for the schedule's
    policy: expired, missed or superseded by a later one.

    [bold]Examples[/bold]

      sluice schedules list
      sluice schedules list movies --json
    """
    from deployments.terminal import console, print_json, titled_table

    with _prefect() as prefect:
        found = [_as_dict(prefect, scheduled) for scheduled in _chosen(prefect, which)]
    if as_json:
        print_json(found)
        return
    if not found:
        console.print("Nothing runs by itself. A schedule is written in use_case.yaml, then: sluice deploy")
        return
    table = titled_table("flow", "when", "next (UTC)", "catch up", "expires", "dropped in 7 days")
    for line in found:
        expires = f"{line['expires']:g} s" if line["expires"] else "never"
        state = f"{line['next']:%Y-%m-%d %H:%M:%S}" if line["active"] else "paused"
        table.add_row(line["deployment"], line["when"], state, line["catch_up"], expires, str(line["dropped"]))
    console.print(table)


@schedules.command()
def pause(which: Which = "", every: Every = False, as_json: AsJson = False) -> None:
    """Make no more runs by schedule. What runs goes on, and can be started by hand as before.

    Times that pass while a schedule is paused are not caught up later. A run that
    a worker has taken, which it does ten seconds ahead, is still done. It is no
    error when a schedule was paused before.

    [bold]Examples[/bold]

      sluice schedules pause --all
      sluice schedules pause movies
      sluice schedules pause pipeline/movies --json
    """
    _switch(which, every, active=False, as_json=as_json)


@schedules.command()
def resume(which: Which = "", every: Every = False, as_json: AsJson = False) -> None:
    """Make runs by schedule again, from now on.

    [bold]Examples[/bold]

      sluice schedules resume --all
      sluice schedules resume movies
    """
    _switch(which, every, active=True, as_json=as_json)


def _switch(which: str, every: bool, *, active: bool, as_json: bool) -> None:
    from datetime import UTC, datetime

    from deployments.catch_up import set_cursor, switch
    from deployments.local.record import current_stack
    from deployments.terminal import console, print_json
    from sluice.documents import open_documents

    if which and every:
        raise typer.BadParameter(f"it means all schedules, and {which} was named too", param_hint="--all")
    documents = open_documents(current_stack()[1])
    with _prefect() as prefect:
        chosen = _chosen(prefect, which)
        for scheduled in chosen:
            set_cursor(documents, scheduled.deployment, datetime.now(UTC))
            switch(prefect, scheduled, active)
            if not as_json:
                console.print(f"{scheduled.deployment} {'runs by schedule again' if active else 'is paused'}.")
    documents.close()
    if as_json:
        print_json([{"deployment": scheduled.deployment, "active": active} for scheduled in chosen])
    elif not chosen:
        console.print("There is no schedule. One is written in use_case.yaml, then: sluice deploy")


def _prefect() -> "PrefectRuns":
    from deployments.local.record import current_stack
    from sluice.runs import PrefectRuns

    return PrefectRuns.of(current_stack()[1].prefect)


def _chosen(prefect: "PrefectRuns", which: str) -> "list[Scheduled]":
    from deployments.catch_up import schedules as every
    from sluice.errors import DeploymentNotFoundError

    found = every(prefect)
    chosen = [one for one in found if which in {"", one.deployment, one.deployment.partition("/")[2]}]
    if which and not chosen:
        known = ", ".join(one.deployment for one in found) or "none has a schedule"
        raise DeploymentNotFoundError(deployment=which, known=known)
    return chosen


def _as_dict(prefect: "PrefectRuns", scheduled: "Scheduled") -> dict[str, Any]:
    from datetime import UTC, datetime, timedelta

    schedule, now = scheduled.schedule, datetime.now(UTC)
    since = {"after_": (now - timedelta(days=7)).isoformat()}
    states = {"name": {"any_": ["Expired", "Missed", "Superseded"]}}
    return {
        "deployment": scheduled.deployment,
        "when": f"{schedule.cron} ({schedule.timezone})" if schedule.cron else f"every {schedule.interval:g} s",
        "active": scheduled.active,
        "next": next(schedule.ticks(now)) if scheduled.active else None,
        "catch_up": schedule.catch_up,
        "expires": schedule.expires,
        "dropped": len(prefect.runs_of(scheduled.id, state=states, expected_start_time=since)),
    }
