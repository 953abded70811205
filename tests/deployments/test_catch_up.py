"""What a sweep does after an outage, on a real Prefect server: a pool that no worker polls is a worker that is down."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from deployments import catch_up
from deployments.local.supervisor import Supervisor
from sluice.documents import DocumentStore
from sluice.embedded_documents import EmbeddedDocuments
from sluice.runs import FlowRun, PrefectRuns
from sluice.schedule import ANCHOR, Schedule
from tests.conftest import Stack

pytestmark = pytest.mark.integration
EVERY = 600.0  # seconds
NOW = ANCHOR + timedelta(seconds=EVERY * 360_000 + 120)  # two minutes after a due time in 2026


@pytest.fixture
def documents(tmp_path: Path) -> Iterator[DocumentStore]:
    store = EmbeddedDocuments(str(tmp_path / "documents.db"))
    yield store
    store.close()


@pytest.fixture(scope="module", autouse=True)
def alone(stack: Stack) -> Iterator[None]:
    """The stack's own process would sweep too, whenever its turn comes."""
    supervisor = Supervisor(stack.record.home, stack.record.root)
    supervisor.stop("catch-up")
    yield
    supervisor.start_again("catch-up")


@pytest.fixture
def prefect(stack: Stack) -> Iterator[PrefectRuns]:
    with PrefectRuns(stack.settings.prefect.url) as client:
        yield client
        for scheduled in catch_up.schedules(client):
            if scheduled.deployment.startswith("pipeline/outage-"):
                client.request("DELETE", f"/deployments/{scheduled.id}")


def deployed(prefect: PrefectRuns, **policy: Any) -> catch_up.Scheduled:
    """A deployment of its own with an interval and this policy. Prefect itself makes no runs in the past."""
    name = f"outage-{uuid4().hex[:8]}"
    flow = prefect.request("POST", "/flows/", {"name": "pipeline"})
    schedule = {"interval": EVERY, **policy}
    body = {
        "name": name,
        "flow_id": flow["id"],
        "schedules": [
            {
                "schedule": {"interval": EVERY, "anchor_date": ANCHOR.isoformat()},
                "parameters": {"schedule": schedule},
                "active": True,
            }
        ],
    }
    prefect.request("POST", "/deployments/", body)
    (found,) = [one for one in catch_up.schedules(prefect) if one.deployment == f"pipeline/{name}"]
    return found


def past_runs(prefect: PrefectRuns, scheduled: catch_up.Scheduled) -> list[FlowRun]:
    return prefect.runs_of(scheduled.id, expected_start_time={"before_": NOW.isoformat()})


def due(run: FlowRun) -> float:
    """In intervals before the last due time."""
    return ((NOW - timedelta(seconds=120)) - run.expected_start_time).total_seconds() / EVERY


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        ({"catch_up": "all"}, [4, 3, 2, 1, 0]),
        ({"catch_up": "latest"}, [0]),
        ({"catch_up": "none"}, []),
        ({"catch_up": "none", "grace": 300}, [0]),
        ({"catch_up": "all", "expires": 1000}, [1, 0]),
    ],
)
def test_times_without_a_run_get_what_the_policy_says(
    prefect: PrefectRuns, documents: DocumentStore, policy: dict[str, Any], wanted: list[int]
) -> None:
    """The server was down for five due times: they get runs, each once, however often one sweeps."""
    scheduled = deployed(prefect, **policy)
    catch_up.set_cursor(documents, scheduled.deployment, NOW - timedelta(seconds=5 * EVERY))
    catch_up.sweep(prefect, documents, NOW)
    assert [due(run) for run in past_runs(prefect, scheduled)] == wanted
    catch_up.sweep(prefect, documents, NOW + timedelta(seconds=1))
    documents.delete(catch_up.CURSORS, {})  # another sweeper, which knows nothing of the first
    catch_up.set_cursor(documents, scheduled.deployment, NOW - timedelta(seconds=5 * EVERY))
    catch_up.sweep(prefect, documents, NOW + timedelta(seconds=2))
    assert [due(run) for run in past_runs(prefect, scheduled)] == wanted
    for run in past_runs(prefect, scheduled):
        assert Schedule.model_validate(run.parameters["schedule"]) == scheduled.schedule


def test_late_runs_are_dropped_and_say_why(prefect: PrefectRuns, documents: DocumentStore) -> None:
    """Of the runs that wait for a worker the newest stays, and what a person started; the rest is Superseded."""
    scheduled = deployed(prefect, catch_up="latest")
    for back in (2, 1, 0):
        when = NOW - timedelta(seconds=120 + back * EVERY)
        prefect.start(scheduled.deployment, {}, due=when, tags=["catch-up"])
    by_hand = prefect.start(scheduled.deployment, {}, due=NOW - timedelta(seconds=2 * EVERY))
    swept = catch_up.sweep(prefect, documents, NOW)
    assert swept.dropped == 2
    states = {
        due(run): (run.state_type, run.state_name) for run in past_runs(prefect, scheduled) if run.id != by_hand.id
    }
    assert states[2] == states[1] == ("CANCELLED", "Superseded")
    assert states[0][0] == "SCHEDULED"
    assert prefect.read(by_hand.id).state_type == "SCHEDULED"
    (oldest, *_) = past_runs(prefect, scheduled)
    assert "Superseded: it was due at" in oldest.message


def test_a_new_schedule_has_missed_nothing(prefect: PrefectRuns, documents: DocumentStore) -> None:
    """Deploying for the first time does not run what would have been due last year."""
    scheduled = deployed(prefect, catch_up="all")
    assert catch_up.sweep(prefect, documents, NOW).made == 0
    assert past_runs(prefect, scheduled) == []


def test_what_passes_during_a_pause_is_not_missed(prefect: PrefectRuns, documents: DocumentStore) -> None:
    """A schedule that somebody paused for an hour goes on with its next due time."""
    scheduled = deployed(prefect, catch_up="all")
    catch_up.set_cursor(documents, scheduled.deployment, NOW - timedelta(seconds=5 * EVERY))
    catch_up.switch(prefect, scheduled, active=False)
    catch_up.sweep(prefect, documents, NOW)
    catch_up.switch(prefect, scheduled, active=True)
    catch_up.sweep(prefect, documents, NOW + timedelta(seconds=15))
    assert past_runs(prefect, scheduled) == []


def test_a_policy_outlives_a_pause_in_prefects_pages(prefect: PrefectRuns, documents: DocumentStore) -> None:
    """Prefect forgets the parameters of a schedule that somebody switches; the next sweep gives them back."""
    scheduled = deployed(prefect, catch_up="all", expires=1000)
    catch_up.sweep(prefect, documents, NOW)
    prefect.request("PATCH", f"/deployments/{scheduled.id}/schedules/{scheduled.schedule_id}", {"active": False})
    assert scheduled.deployment not in [one.deployment for one in catch_up.schedules(prefect)]
    catch_up.sweep(prefect, documents, NOW)
    (found,) = [one for one in catch_up.schedules(prefect) if one.deployment == scheduled.deployment]
    assert found == scheduled._replace(active=False)


def test_the_cursor_never_goes_back(documents: DocumentStore) -> None:
    """Two sweepers with different clocks settle nothing twice."""
    later = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
    catch_up.set_cursor(documents, "pipeline/x", later)
    catch_up.set_cursor(documents, "pipeline/x", later - timedelta(hours=1))
    found = documents.find_one(catch_up.CURSORS, {"deployment": "pipeline/x"})
    assert found is not None
    assert found["until"] == later
