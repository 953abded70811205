"""Two servers of Prefect on a cluster, with PostgreSQL and Redis: one is killed, and all goes on, and once.

The chart brings no Redis. SLUICE_TEST_REDIS_IMAGE names an image with ``redis-server`` for a pod of the tests' own.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.cluster.kubectl import until
from tests.cluster.option import with_option
from tests.cluster.platform import READY_SECONDS, RUN_SECONDS, USE_CASE, Platform
from tests.cluster.redis import NAME, redis
from tests.helm.chart import RELEASE

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]
IMAGE = os.environ.get("SLUICE_TEST_REDIS_IMAGE", "")
SERVERS = {f"{RELEASE}-prefect-server-{number}" for number in range(2)}
SEVERAL = {"prefect": {"server": {"replicas": len(SERVERS), "redis": {"existingSecret": NAME}}}}
# What is done a second time comes within a few seconds: Redis hands out anew what nobody has confirmed for five.
TWICE_SECONDS = 30
MANY = 20


@pytest.fixture(scope="module")
def several(platform: Platform) -> Iterator[Platform]:
    """The release with two servers, and their Redis."""
    if not IMAGE:
        pytest.skip("SLUICE_TEST_REDIS_IMAGE names no image with redis-server")
    with redis(platform, IMAGE), with_option(platform, SEVERAL) as made:
        yield made


@contextmanager
def server(platform: Platform, pod: str) -> Iterator[httpx.Client]:
    """The API of one of them, past the service."""
    user, _, password = platform.secret("secrets", "prefect-auth").partition(":")
    with (
        platform.kubectl.forward(f"pod/{pod}", 4200) as address,
        httpx.Client(base_url=f"{address}/api", auth=(user, password), timeout=30, trust_env=False) as client,
    ):
        yield client


def said(answer: httpx.Response) -> Any:
    assert answer.is_success, f"{answer.request.url} {answer.status_code} {answer.text}"
    return answer.json() if answer.content else None


def test_both_are_ready_and_know_the_same(several: Platform) -> None:
    """Neither was restarted on the way; a run that one has made is read from the other."""
    pods = several.kubectl.pods("prefect-server")
    assert {pod["metadata"]["name"] for pod in pods} == SERVERS
    assert not any(status["restartCount"] for pod in pods for status in pod["status"]["containerStatuses"])
    first, second = sorted(SERVERS)
    with server(several, first) as client:
        made = a_run(client, due=datetime.now(UTC) + timedelta(days=1))
    with server(several, second) as client:
        assert said(client.get(f"/flow_runs/{made}"))["id"] == made
        said(client.delete(f"/flow_runs/{made}"))


def a_run(client: httpx.Client, due: datetime) -> str:
    """A run of no deployment, which nobody ever starts."""
    flow = said(client.post("/flows/", json={"name": "nobody-starts-it"}))["id"]
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": due.isoformat()}}
    return str(said(client.post("/flow_runs/", json={"flow_id": flow, "state": state}))["id"])


def an_automation(client: httpx.Client, topic: str) -> str:
    """It does nothing, once for each event of a topic, and Prefect tells of it by an event."""
    trigger = {
        "type": "event",
        "expect": [topic],
        "match": {"prefect.resource.id": f"{topic}.*"},
        "for_each": ["prefect.resource.id"],
        "posture": "Reactive",
        "threshold": 1,
        "within": 0,
    }
    body = {"name": topic, "trigger": trigger, "actions": [{"type": "do-nothing"}]}
    return str(said(client.post("/automations/", json=body))["id"])


def an_event(client: httpx.Client, topic: str) -> str:
    name = str(uuid4())
    event = {
        "id": name,
        "occurred": datetime.now(UTC).isoformat(),
        "event": topic,
        "resource": {"prefect.resource.id": f"{topic}.{uuid4().hex}"},
    }
    said(client.post("/events", json=[event]))
    return name


def done(client: httpx.Client, automation: str) -> Counter[str]:
    """How often the automation has acted, by the event that it acted on."""
    body = {
        "event": {"name": ["prefect.automation.action.executed"]},
        "resource": {"id": [f"prefect.automation.{automation}"]},
    }
    found = said(client.post("/events/filter", json={"filter": body, "limit": 50}))["events"]
    related = [one for event in found for one in event["related"]]
    ours = [one for one in related if one["prefect.resource.role"] == "triggering-event"]
    return Counter(one["prefect.resource.id"].removeprefix("prefect.event.") for one in ours)


def late(client: httpx.Client, runs: list[str]) -> Counter[str]:
    """How often each run was said to be late."""
    states = {run: said(client.get("/flow_run_states/", params={"flow_run_id": run})) for run in runs}
    return Counter(run for run in runs for state in states[run] if state["name"] == "Late")


@pytest.mark.parametrize("victim", sorted(SERVERS))
def test_killed_server_costs_nothing_and_nothing_is_done_twice(several: Platform, victim: str) -> None:
    """A run under way completes. Automations that are due and runs that are late meanwhile are seen to, each once."""
    (survivor,) = SERVERS - {victim}
    run = several.start(f"pipeline/{USE_CASE}", {"fresh": True})
    until(lambda: _has_begun(several, run), RUN_SECONDS, several.state)
    old = several.kubectl.one("pod", victim)["metadata"]["uid"]
    with server(several, survivor) as client:
        topic = f"test.{uuid4().hex[:8]}"
        automation = an_automation(client, topic)
        runs, events = [], []
        for number in range(MANY):
            if number == MANY // 4:
                several.kubectl("delete", "pod", victim, "--grace-period=0", "--force")
            runs.append(a_run(client, due=datetime.now(UTC)))
            events.append(an_event(client, topic))
        several.ready("prefect-server")
        assert several.kubectl.one("pod", victim)["metadata"]["uid"] != old
        ended = several.end(run)
        assert ended.completed, several.log(run)
        until(
            lambda: set(done(client, automation)) == set(events), READY_SECONDS, lambda: str(done(client, automation))
        )
        until(lambda: len(late(client, runs)) == MANY, READY_SECONDS, lambda: str(late(client, runs)))
        time.sleep(TWICE_SECONDS)
        assert done(client, automation) == dict.fromkeys(events, 1)
        assert late(client, runs) == dict.fromkeys(runs, 1)
        said(client.delete(f"/automations/{automation}"))
        for one in runs:
            said(client.delete(f"/flow_runs/{one}"))


def _has_begun(platform: Platform, run_id: str) -> bool:
    with platform.prefect() as prefect:
        return any(child.state_type == "RUNNING" for child in prefect.children(run_id))


def test_slots_whose_lease_is_lost_are_free_after_a_start(several: Platform) -> None:
    """As after another Redis, or one server that became several: nobody would ever give them back."""
    first, second = sorted(SERVERS)
    limit = "/v2/concurrency_limits/use-case:movies"
    with server(several, first) as client:
        said(client.patch(limit, json={"active_slots": 1}))
        several.kubectl("delete", "pod", second)
        several.ready("prefect-server")
        assert said(client.get(limit))["active_slots"] == 0
