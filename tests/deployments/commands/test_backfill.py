"""`sluice backfill` tells what failed, and how to run just that again."""

from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from deployments.cli import app
from tests.deployments.test_backfill import FakePrefect

COMMAND = ["backfill", "movies", "ingest", "--from", "2016-01-01", "--to", "2016-05-01", "--parallel", "2"]


class Fake(FakePrefect):
    def __init__(self, url: str) -> None:
        super().__init__()

    def __enter__(self) -> "Fake":
        return self

    def __exit__(self, *_: Any) -> None: ...


@pytest.fixture
def prefect(monkeypatch: pytest.MonkeyPatch) -> Fake:
    fake = Fake("")
    monkeypatch.setattr("deployments.backfill._POLL_SECONDS", 0)
    monkeypatch.setattr("sluice.runs.PrefectRuns", SimpleNamespace(of=lambda settings: fake))
    settings = SimpleNamespace(prefect=SimpleNamespace(url="http://127.0.0.1:4200/api"))
    record = SimpleNamespace(prefect_ui="http://127.0.0.1:4200")
    monkeypatch.setattr("deployments.local.record.current_stack", lambda: (record, settings))
    return fake


def test_windows_that_failed_are_listed_and_run_by_the_same_command(prefect: Fake) -> None:
    """Exit code 1, a line and an address for each, and the second time only those are run."""
    prefect.failing = {2, 4}
    done = CliRunner().invoke(app, COMMAND)
    assert done.exit_code == 1, done.output
    assert "Failed 2016-02-01..2016-03-01: " in done.output
    assert "Failed 2016-04-01..2016-05-01: " in done.output
    assert "http://127.0.0.1:4200/runs/flow-run/" in done.output
    assert "2 of 4 windows failed. The same command runs just these again." in " ".join(done.output.split())
    assert len(prefect.runs) == 4

    prefect.failing = set()
    again = CliRunner().invoke(app, COMMAND)
    assert again.exit_code == 0, again.output
    assert "2 of 4 windows were done before." in again.output
    assert "All 4 windows are done." in again.output
    assert len(prefect.runs) == 6
