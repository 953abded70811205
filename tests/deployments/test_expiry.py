"""Runs that wait longer than they may, on a real Prefect server: a pool that no worker polls keeps them waiting."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from deployments.expiry import drop_expired
from sluice.runs import FlowRun, PrefectRuns
from tests.conftest import Stack

pytestmark = pytest.mark.integration
NOW = datetime.now(UTC)


@pytest.fixture
def prefect(stack: Stack) -> Iterator[PrefectRuns]:
    with PrefectRuns(stack.settings.prefect.url) as client:
        yield client


@pytest.fixture
def deployment(prefect: PrefectRuns) -> Iterator[str]:
    """With a limit of ten minutes, and a pool of its own that does not exist."""
    name = f"late-{uuid4().hex[:8]}"
    flow = prefect.request("POST", "/flows/", {"name": "ingest"})
    parameters = {"use_case": name, "limits": {"expires": 600}}
    made = prefect.request("POST", "/deployments/", {"name": name, "flow_id": flow["id"], "parameters": parameters})
    yield f"ingest/{name}"
    prefect.request("DELETE", f"/deployments/{made['id']}")


def waiting(prefect: PrefectRuns, deployment: str, seconds: float, **parameters: Any) -> FlowRun:
    return prefect.start(deployment, parameters, due=NOW - timedelta(seconds=seconds))


def test_a_run_that_waited_too_long_is_dropped_with_a_word(prefect: PrefectRuns, deployment: str) -> None:
    """Cancelled and named Expired, so that it can be found and counted; one that still has time stays."""
    late, in_time = waiting(prefect, deployment, 700), waiting(prefect, deployment, 500)
    assert drop_expired(prefect, NOW) == 1
    dropped = prefect.read(late.id)
    assert (dropped.state_type, dropped.state_name) == ("CANCELLED", "Expired")
    assert dropped.message.startswith("Expired: it was due at ")
    assert "waited 700 s of 600" in dropped.message
    assert prefect.read(in_time.id).state_type == "SCHEDULED"
    assert drop_expired(prefect, NOW) == 0


def test_a_run_may_have_a_limit_of_its_own(prefect: PrefectRuns, deployment: str) -> None:
    """Started with other limits it keeps those; with wrong ones it is left to say so itself."""
    patient = waiting(prefect, deployment, 700, limits={"expires": 900})
    wrong = waiting(prefect, deployment, 700, limits={"expires": "soon"})
    assert drop_expired(prefect, NOW) == 0
    assert {prefect.read(run.id).state_type for run in (patient, wrong)} == {"SCHEDULED"}
