"""Runs over HTTP, on the real Prefect with its worker."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from sluice.runs import PrefectRuns
from tests import runs
from tests.conftest import Stack

pytestmark = [pytest.mark.integration, pytest.mark.waits]

FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
# Rows that no other run has: what did not change would come from the cache.
OFFSET = 10**9 + uuid4().int % 10**6 * 10**4


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[httpx.Client]:
    """The stack's service."""
    with httpx.Client(base_url=stack.record.serving_url, timeout=30, trust_env=False) as client:
        yield client


def events(client: httpx.Client, path: str, **headers: str) -> list[tuple[str, dict[str, Any]]]:
    """All events of a stream, until it ends by itself."""
    found = []
    asked = {"accept": "text/event-stream", **headers}
    with client.stream("GET", path, headers=asked, timeout=120) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        for line in answer.iter_lines():
            if line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                fields[name] = value
            elif fields:
                found.append((fields.get("event", ""), json.loads(fields["data"])))
                fields = {}
    return found


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    told: dict[str, Any] = answer.json()
    return told


@pytest.fixture(scope="module")
def ingested(client: httpx.Client) -> dict[str, Any]:
    """A run of ingest/tiny, asked for twice and followed to its end."""
    body = {"deployment": "ingest/tiny", "parameters": {"params": {"offset": OFFSET}}}
    key = {"idempotency-key": uuid4().hex}
    trace = {"traceparent": f"00-{uuid4().hex}-{'1' * 16}-01"}
    first = client.post("/runs", json=body, headers={**key, **trace})
    again = client.post("/runs", json={**body, "idempotency_key": key["idempotency-key"]})
    other = client.post("/runs", json={"deployment": "ingest/tiny"}, headers=key)
    id = first.json()["id"]
    busy = client.post(f"/runs/{id}/retry")
    return {"first": first, "again": again, "other": other, "busy": busy, "events": events(client, f"/runs/{id}/logs")}


def test_a_run_is_started_once_however_often_it_is_asked_for(ingested: dict[str, Any]) -> None:
    """201 with its address, 200 with the same run, 422 where the key was for another one."""
    first, again = ingested["first"], ingested["again"]
    assert (first.status_code, again.status_code) == (201, 200), again.text
    assert first.headers["location"] == f"/runs/{first.json()['id']}"
    assert again.json()["id"] == first.json()["id"]
    assert first.json()["tags"] == ["by:anonymous", "sluice", "tiny"]
    assert problem(ingested["other"], 422)["errors"][0]["field"] == "idempotency_key"
    assert "only a run that is over" in problem(ingested["busy"], 409)["detail"]


def test_its_log_is_followed_to_the_end(client: httpx.Client, ingested: dict[str, Any]) -> None:
    """States as they come, every line once, those of Dask workers too; then the same lines are read in pages."""
    told = ingested["events"]
    id = ingested["first"].json()["id"]
    changes = [data for name, data in told if name == "state"]
    assert changes[-1]["state_type"] == "COMPLETED", told
    seen = [tuple(data[name] for name in ("state", "message", "started", "ended")) for data in changes]
    assert len(seen) == len(set(seen)), "a state that is as it was is not told again"
    assert told[-1] == ("end", {})
    lines = [data for name, data in told if name == "line"]
    assert any(line["message"].startswith("ingest of tiny on source") for line in lines)
    assert any(line["task"] for line in lines)
    assert {line["run"] for line in lines} == {id}
    paged, cursor = [], ""
    while cursor is not None:
        page = client.get(f"/runs/{id}/logs", params={"limit": 2, "cursor": cursor}).json()
        paged += page["lines"]
        cursor = page["next"]
    assert sorted(line["id"] for line in paged) == sorted(line["id"] for line in lines)
    assert [line["at"] for line in paged] == sorted(line["at"] for line in paged)
    assert client.get(f"/runs/{id}/logs?level=CRITICAL").json() == {"lines": [], "next": None}
    assert client.get(f"/runs/{id}/logs", params={"cursor": ""}, headers={
        "accept": "text/event-stream", "last-event-id": "end",
    }).status_code == 204  # fmt: skip


def test_a_run_tells_all_that_is_known_of_it(client: httpx.Client, ingested: dict[str, Any]) -> None:
    """Its result without Prefect, its parameters, tasks, artifacts, times and where else to look."""
    run = client.get(ingested["first"].headers["location"]).json()
    assert (run["deployment"], run["flow"], run["use_case"]) == ("ingest/tiny", "ingest", "tiny")
    assert run["result"]["stage"] == "ingest"
    assert run["result"]["ref"]["table"] == "raw/tiny"
    assert run["parameters"] == {"use_case": "tiny", "params": {"offset": OFFSET}}
    assert run["tasks"] == {"Completed": 6}
    assert {artifact["key"] for artifact in run["artifacts"]} == {"profile-ingest-tiny"}
    assert isinstance(run["artifacts"][0]["data"], list)
    assert run["due"] <= run["started"] <= run["ended"]
    assert run["seconds"] > 0
    assert run["unchanged"] is False
    assert run["links"]["prefect"].endswith(f"/runs/flow-run/{run['id']}")
    refused = problem(client.post(f"/runs/{run['id']}/retry"), 409)
    assert "did what it was asked" in refused["detail"]


def test_runs_are_listed_by_what_one_looks_for(client: httpx.Client, ingested: dict[str, Any]) -> None:
    """The newest of a deployment; nothing where nothing can be."""
    started = ingested["first"].json()
    query = {"deployment": "ingest/tiny", "state": "completed", "since": started["due"], "limit": "100"}
    found = client.get("/runs", params=query).json()["runs"]
    assert started["id"] in [run["id"] for run in found]
    assert {(run["deployment"], run["state_type"]) for run in found} == {("ingest/tiny", "COMPLETED")}
    for none in ({"flow": "train"}, {"use_case": "movies"}, {"state": "Late"}, {"until": "2026-01-01"}):
        listed = client.get("/runs", params={**query, **none}).json()["runs"]
        assert started["id"] not in [run["id"] for run in listed], none


def test_deployments_say_what_can_be_started(client: httpx.Client) -> None:
    """With the parameters' schema, which a form can be made of."""
    listed = {one["name"]: one for one in client.get("/deployments").json()["deployments"]}
    assert {"pipeline/movies", "ingest/tiny", "score/diabetes"} <= listed.keys()
    pipeline = listed["pipeline/movies"]
    assert pipeline["parameters"] == {"use_case": "movies"}
    assert pipeline["parameters_schema"]["properties"]["fresh"]["type"] == "boolean"
    assert (pipeline["schedules"][0]["cron"], pipeline["schedules"][0]["timezone"]) == ("0 3 * * *", "UTC")


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ({"deployment": "ingest/tinny"}, 404, "ingest/tiny"),
        ({"deployment": "ingest/tiny", "parameters": {"parms": {}}}, 422, "Did you mean 'params'?"),
        ({"deployment": "ingest/tiny", "parameters": {"params": 5}}, 422, "parameters.params"),
        ({"deployment": "pipeline/tiny", "parameters": {"fresh": "maybe"}}, 422, "parameters.fresh"),
        ({"deployment": "ingest/tiny", "parameters": {"use_case": "movies"}}, 422, "parameters.use_case"),
        ({"deployment": "ingest/tiny", "parameters": {"params": {"x": "a" * 600_000}}}, 422, "parameters"),
        ({"deployment": "ingest/tiny", "idempotency_key": "\n"}, 422, "idempotency_key"),
        ({"deployment": "ingest/tiny", "paramters": {}}, 422, "paramters"),
        ({}, 422, "deployment"),
        ([], 422, "body"),
    ],
)
def test_a_wrong_request_starts_nothing_and_names_what_is_wrong(
    client: httpx.Client, stack: Stack, body: Any, status: int, named: str
) -> None:
    """Before a worker has to find it out."""
    before = _count(stack)
    assert named in problem(client.post("/runs", json=body), status)["detail"]
    assert _count(stack) == before


@pytest.mark.parametrize(
    ("path", "status", "named"),
    [
        ("/runs?since=yesterday", 422, "since"),
        ("/runs?cursor=x", 422, "cursor"),
        ("/runs?deployment=movies", 422, "FLOW/USE_CASE"),
        ("/runs?parent=movies", 422, "parent"),
        ("/runs?flow=%00", 422, "flow"),
        ("/runs?limit=0", 422, "limit"),
        ("/runs/nothing", 404, "nothing"),
        (f"/runs/{uuid4()}", 404, "Prefect has no run"),
        (f"/runs/{uuid4()}/logs", 404, "Prefect has no run"),
        (f"/runs/{uuid4()}/logs?follow=true", 404, "Prefect has no run"),
        ("/runs/%2e%2e%2fflows/logs", 404, ""),
        (f"/runs/{uuid4()}/logs?level=loud", 422, "level"),
        (f"/runs/{uuid4()}/logs?cursor=x", 422, "cursor"),
    ],
)
def test_a_wrong_question_is_the_clients_mistake(client: httpx.Client, path: str, status: int, named: str) -> None:
    """A problem document that names the field, and never an error of the server's."""
    assert named in problem(client.get(path), status)["detail"]


def test_pages_of_many_runs_hold_each_once(client: httpx.Client, stack: Stack) -> None:
    """On Prefect's own sorting: also runs that are due at one time, of which there are more than a page has."""
    due = datetime(2026, 11, 1, tzinfo=UTC)
    with PrefectRuns(stack.settings.prefect.url) as prefect:
        flow = prefect.request("POST", "/flows/", {"name": f"seeded-{uuid4().hex[:8]}"})
        made = []
        for number in range(25):
            at = due + timedelta(seconds=number // 9)
            state = {"type": "SCHEDULED", "state_details": {"scheduled_time": at.isoformat()}}
            body = {"flow_id": flow["id"], "name": f"seeded-{number}", "state": state, "tags": []}
            made.append(prefect.request("POST", "/flow_runs/", body)["id"])
        listed: list[dict[str, Any]] = []
        cursor = ""
        while cursor is not None:
            page = client.get("/runs", params={"flow": flow["name"], "limit": 4, "cursor": cursor}).json()
            assert len(page["runs"]) == 4 or page["next"] is None
            listed += page["runs"]
            cursor = page["next"]
        for id in made:
            prefect.request("DELETE", f"/flow_runs/{id}")
    assert sorted(run["id"] for run in listed) == sorted(made)
    places = [(run["due"], run["id"]) for run in listed]
    assert places == sorted(places, reverse=True)
    assert {run["deployment"] for run in listed} == {None}


def test_a_run_is_cancelled_and_tried_again(client: httpx.Client, stack: Stack) -> None:
    """As Celery's revoke and retry, of a run that waits for its time; cancelling twice is cancelling once."""
    with PrefectRuns(stack.settings.prefect.url) as prefect:
        due = datetime.now(UTC) + timedelta(hours=1)
        id = prefect.start("ingest/tiny", {"params": {"offset": 710_000_000}}, due=due).id
    cancelled = client.post(f"/runs/{id}/cancel")
    assert (cancelled.status_code, cancelled.json()["state"]) == (202, "Cancelled")
    assert cancelled.json()["message"] == "Cancelled by anonymous."
    assert client.post(f"/runs/{id}/cancel").status_code == 200
    again = client.post(f"/runs/{id}/retry")
    assert (again.status_code, again.json()["id"]) == (202, id)
    assert again.json()["state_type"] in {"SCHEDULED", "PENDING"}
    assert runs.wait(stack, id).completed


@pytest.mark.slow
def test_a_retried_pipeline_goes_on_from_the_stage_that_failed(
    client: httpx.Client, stack: Stack, tmp_path: Path
) -> None:
    """The same run completes; what was finished is not done again, and its log has the lines of its stages."""
    flag = runs.marker(tmp_path / "fail")
    params = {"offset": 720_000_000, "fail_while": flag}
    started = client.post("/runs", json={"deployment": "pipeline/tiny", "parameters": {"params": params}}).json()
    failed = events(client, f"/runs/{started['id']}/logs?level=INFO")
    assert [data["state"] for name, data in failed if name == "state"][-1] == "Failed"
    assert {data["flow"] for name, data in failed if name == "stage"} == {"ingest", "features", "train"}
    assert any("train was told to fail" in data["message"] for name, data in failed if name == "line")
    Path(flag).unlink()
    assert client.post(f"/runs/{started['id']}/retry").status_code == 202
    told = events(client, f"/runs/{started['id']}/logs")
    assert [data["state"] for name, data in told if name == "state"][-1] == "Completed"
    run = client.get(f"/runs/{started['id']}").json()
    assert [(stage["flow"], stage["unchanged"]) for stage in run["stages"]] == [
        ("ingest", True), ("features", True), ("train", False), ("evaluate", False),
    ]  # fmt: skip
    assert [stage["stage"] for stage in run["result"]["stages"]] == ["ingest", "features", "train", "evaluate"]
    assert {line["run"] for name, line in told if name == "line"} > {stage["run"] for stage in run["stages"]}
    children = client.get("/runs", params={"parent": started["id"]}).json()["runs"]
    assert len(children) == 7
    assert {child["parent"] for child in children} == {started["id"]}


@pytest.mark.slow
def test_cancelling_a_pipeline_ends_its_stages(client: httpx.Client, stack: Stack, tmp_path: Path) -> None:
    """Nothing of it goes on, and whoever follows it is told."""
    params = {"offset": 730_000_000, "sleep_while": runs.marker(tmp_path / "sleep")}
    started = client.post("/runs", json={"deployment": "pipeline/tiny", "parameters": {"params": params}}).json()
    path = f"/runs/{started['id']}"
    _until(lambda: any(stage["flow"] == "train" and stage["state"] == "Running" for stage in _stages(client, path)))
    assert client.post(f"{path}/cancel").status_code == 202
    told = events(client, f"{path}/logs")
    assert [data["state"] for name, data in told if name == "state"][-1] == "Cancelled"
    _until(lambda: {stage["state_type"] for stage in _stages(client, path)} <= FINAL)


def _stages(client: httpx.Client, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(path).json()["stages"]
    return found


def _until(condition: Any, seconds: float = 200) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.3)


def _count(stack: Stack) -> int:
    query = {"deployments": {"name": {"any_": ["tiny"]}}}
    with PrefectRuns(stack.settings.prefect.url) as prefect:
        return int(prefect.request("POST", "/flow_runs/count", query))
