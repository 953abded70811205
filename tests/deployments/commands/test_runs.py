"""`sluice runs` and `retry`."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from deployments.cli import app
from sluice.errors import RunNotFoundError
from sluice.runs import PrefectRuns
from tests.conftest import Stack


def sluice(*arguments: str, env: Any = None) -> Any:
    return CliRunner().invoke(app, list(arguments), env=env)


@pytest.mark.integration
def test_runs_are_listed_and_shown_as_the_service_does(stack: Stack) -> None:
    """A table for a person, the service's own fields for a script; a run that was cancelled says why."""
    from datetime import UTC, datetime, timedelta

    with PrefectRuns(stack.settings.prefect.url) as prefect:
        due = datetime.now(UTC) + timedelta(days=400)
        started = prefect.start("features/tiny", {}, due=due, tags=["by:a-test"])
        prefect.cancel(started.id)
    listed = sluice("runs", "--deployment", "features/tiny", "--state", "cancelled", "--json", env=stack.env)
    (found,) = [run for run in json.loads(listed.stdout) if run["id"] == started.id]
    assert (found["use_case"], found["message"]) == ("tiny", "Cancelled by a person.")
    table = sluice("runs", "--use-case", "tiny", "--state", "Cancelled", "--limit", "1", env=stack.env)
    assert (table.exit_code, started.id in table.stdout) == (0, True), table.stdout
    shown = sluice("runs", "show", started.id, env=stack.env)
    assert "features/tiny" in shown.stdout
    assert "by:a-test" in shown.stdout
    assert json.loads(sluice("runs", started.id, "--json", env=stack.env).stdout)["parameters"] == {"use_case": "tiny"}
    assert sluice("runs", "--state", "nonsense", "--json", env=stack.env).stdout.strip() == "[]"
    again = json.loads(sluice("retry", started.id, "--json", env=stack.env).stdout)
    assert again["id"] == started.id
    assert again["state"] in {"AwaitingRetry", "Pending"}
    with PrefectRuns(stack.settings.prefect.url) as prefect:
        prefect.cancel(started.id)
    missing = sluice("runs", "nothing", env=stack.env)
    assert isinstance(missing.exception, RunNotFoundError)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("runs", "a", "b"), "one run's id"),
        (("runs", "show"), "one run's id"),
        (("runs", "--since", "yesterday"), "--since"),
        (("runs", "--deployment", "movies"), "FLOW/USE_CASE"),
    ],
)
def test_a_wrong_option_is_named(arguments: tuple[str, ...], named: str) -> None:
    """Before anything is asked for; exit code 2, as for every wrong command line."""
    done = sluice(*arguments)
    assert (done.exit_code, named in done.output) == (2, True), done.output
