"""`sluice limits`: how long, how often and how many at a time runs may be, and what waits or was dropped for it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from datetime import datetime

    from sluice.runs import PrefectRuns

_DAYS = 7


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Use cases")(limits)


def limits(
    which: Annotated[
        str,
        typer.Argument(help="A use case, or one of its flows as FLOW/USE_CASE; all, if not given.", metavar="[WHICH]"),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for a script.")] = False,
) -> None:
    """List the deployments that have limits: which, how many runs wait, how many expired in seven days.

    They are written under limits in use_case.yaml; sluice deploy makes them count.

    [bold]Examples[/bold]

      sluice limits
      sluice limits movies --json
    """
    from deployments.local.record import current_stack
    from deployments.terminal import console, print_json, titled_table
    from sluice.runs import PrefectRuns

    with PrefectRuns.of(current_stack()[1].prefect) as prefect:
        found = _found(prefect, which)
    if as_json:
        print_json(found)
        return
    if not found:
        console.print("Nothing is limited. A limit is written in use_case.yaml, then: sluice deploy")
        return
    table = titled_table("flow", "soft", "hard", "retries", "rate", "expires", "at a time", "waiting", "expired")
    for line in found:
        table.add_row(
            line["deployment"],
            *(_seconds(line[name]) for name in ("soft_seconds", "hard_seconds")),
            f"{line['retries']}, after {line['retry_delay_seconds']} s" if line["retries"] else "",
            line["rate"] or "",
            _seconds(line["expires"]),
            *("" if line[name] is None else str(line[name]) for name in ("concurrency", "waiting", "expired")),
        )
    console.print(table)


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:g} s"


def _found(prefect: "PrefectRuns", which: str) -> list[dict[str, Any]]:
    from datetime import UTC, datetime

    from sluice.errors import DeploymentNotFoundError
    from sluice.limits import Limits

    there = {
        f"{prefect.flow_name(deployment['flow_id'])}/{deployment['name']}": deployment
        for deployment in prefect.every("/deployments/filter")
    }
    chosen = [name for name in sorted(there) if which in {"", name, name.partition("/")[2]}]
    if which and not chosen:
        raise DeploymentNotFoundError(deployment=which, known=", ".join(sorted(there)) or "none")
    return [
        {
            "deployment": name,
            **Limits.parse(given).model_dump(),
            **_counted(prefect, there[name]["id"], datetime.now(UTC)),
        }
        for name in chosen
        if (given := there[name]["parameters"].get("limits"))
    ]


def _counted(prefect: "PrefectRuns", deployment: str, now: "datetime") -> dict[str, int]:
    from datetime import timedelta

    from deployments.expiry import waiting

    since = {"after_": (now - timedelta(days=_DAYS)).isoformat()}
    filters = {
        "waiting": waiting(now),
        "expired": {"state": {"name": {"any_": ["Expired"]}}, "expected_start_time": since},
    }
    of = {"deployment_id": {"any_": [deployment]}}
    return {
        name: prefect.request("POST", "/flow_runs/count", {"flow_runs": {**of, **wanted}})
        for name, wanted in filters.items()
    }
