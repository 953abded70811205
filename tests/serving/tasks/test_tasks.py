"""`GET /tasks` and `/workers` over HTTP. Prefect is away: what finished is told all the same."""

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.local.ports import free_ports
from serving.app import build_app
from sluice.archive import Archive
from sluice.documents import DocumentStore
from sluice.run_summary import Run
from sluice.settings import DaskSettings, PrefectSettings, ServingSettings, Settings
from sluice.task_runs import TaskRun
from tests.fakes.prefect_history import START
from tests.serving.conftest import serve
from tests.serving.fakes import FakeRegistry

Started = Callable[..., AbstractContextManager[httpx.Client]]


@pytest.fixture
def archive(documents_in: DocumentStore) -> Archive:
    """Five tasks of two runs, the second a stage of the first."""
    archive = Archive(documents_in)
    archive.prepare()
    summary: dict[str, Any] = {"name": "n", "due": START, "created": START, "state_type": "COMPLETED"}
    archive.put_run(Run(id="r1", flow="pipeline", **summary))
    archive.put_run(Run(id="r2", flow="train", parent="r1", **summary))
    for number in range(5):
        received = START + timedelta(seconds=number)
        archive.put_task(
            TaskRun(
                id=f"t{number}",
                name=f"train.{'fit' if number % 2 else 'split'}",
                task="fit" if number % 2 else "split",
                run="r2" if number else "r1",
                state="Failed" if number == 3 else "Completed",
                state_type="FAILED" if number == 3 else "COMPLETED",
                received=received,
                timestamp=received,
                arguments={"plan": "p"},
                result="=1+1",
                runtime=float(number),
            )
        )
    return archive


@pytest.fixture
def started(registry: FakeRegistry, open_store: Callable[[], DocumentStore], tmp_path: Path) -> Started:
    """Starts the service beside a Prefect and a Dask that are not there."""

    @contextmanager
    def start() -> Iterator[httpx.Client]:
        (port,) = free_ports("127.0.0.1", 1)
        settings = Settings(
            home=tmp_path,
            prefect=PrefectSettings(url=f"http://127.0.0.1:{port}/api"),
            dask=DaskSettings(dashboard_port=port),
            serving=ServingSettings(),
        )
        app = build_app(settings, registry, open_store)  # type: ignore[arg-type]
        with serve(app) as address, httpx.Client(base_url=address, timeout=30, trust_env=False) as client:
            yield client

    return start


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [task["id"] for task in answer.json()["tasks"]]


@pytest.mark.usefixtures("archive")
def test_the_table_of_tasks(started: Started) -> None:
    """Newest first, page by page, filtered; one alone; by name; and as CSV, whose next page is a link."""
    with started() as client:
        assert ids(client.get("/tasks")) == ["t4", "t3", "t2", "t1", "t0"]
        first = client.get("/tasks", params={"limit": 2})
        assert ids(first) == ["t4", "t3"]
        second = client.get("/tasks", params={"limit": 3, "cursor": first.json()["next"]})
        assert (ids(second), second.json()["next"]) == (["t2", "t1", "t0"], None)
        assert ids(client.get("/tasks?name=fit&state=completed,running")) == ["t1"]
        assert ids(client.get("/tasks?state=Failed")) == ["t3"]
        assert ids(client.get("/tasks?run=r2")) == ["t4", "t3", "t2", "t1"]
        assert ids(client.get("/tasks?run=r1")) == ["t4", "t3", "t2", "t1", "t0"]  # those of its stages too
        assert ids(client.get("/tasks?since=2026-11-21T05:00:01&until=2026-11-21T05:00:03Z")) == ["t2", "t1"]
        one = client.get("/tasks/t3").json()
        assert (one["state"], one["arguments"], one["received"]) == ("Failed", {"plan": "p"}, "2026-11-21T05:00:03Z")
        names = client.get("/tasks/names?since=2026-11-21").json()
        assert [(name["name"], name["count"], name["states"]) for name in names] == [
            ("train.fit", 2, {"Completed": 1, "Failed": 1}),
            ("train.split", 3, {"Completed": 3}),
        ]
        table = client.get("/tasks?limit=2", headers={"accept": "text/csv"})
        assert table.headers["content-type"].startswith("text/csv; charset=utf-8")
        rows = list(csv.DictReader(io.StringIO(table.text)))
        assert [(row["id"], row["result"]) for row in rows] == [("t4", "'=1+1"), ("t3", "'=1+1")]
        following = client.get(table.links["next"]["url"], headers={"accept": "text/csv"})
        assert following.text.splitlines()[1].startswith("t2,")
        assert client.get("/tasks?format=csv&limit=9").text.count("\r\n") == 6
        assert client.get("/tasks?format=json", headers={"accept": "text/csv"}).json()["next"] is None


@pytest.mark.usefixtures("archive")
@pytest.mark.parametrize("open_store", ["embedded"], indirect=True)
def test_wrong_questions_are_problem_documents(started: Started) -> None:
    """Each names its field; an empty archive and an unknown task are no errors of ours."""
    wrong = {
        "limit=0": "limit",
        "limit=1001": "limit",
        "cursor=x": "cursor",
        "since=yesterday": "since",
        "until=2026-13-01": "until",
        "state=failed,Cached": "state",
        "format=xml": "format",
        "name=" + "x" * 300: "name",
    }
    with started() as client:
        for query, field in wrong.items():
            answer = client.get(f"/tasks?{query}")
            assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), query
            assert answer.json()["errors"][0]["field"].startswith(field), answer.text
        assert client.get("/tasks/names?since=never").status_code == 422
        for id in ("t9", "%00", "..%2Fx", "%ED%A0%80"):
            assert client.get(f"/tasks/{id}").status_code == 404
        assert client.get("/tasks?name=%00&worker=%ED%A0%80&run=x&deployment=%27").json() == {"tasks": [], "next": None}


@pytest.mark.usefixtures("archive")
@pytest.mark.parametrize("open_store", ["embedded"], indirect=True)
def test_workers_say_who_does_not_answer(started: Started) -> None:
    """Neither Prefect nor Dask is there: an answer with two lines of why."""
    with started() as client:
        answer = client.get("/workers")
    assert answer.status_code == 200
    assert (answer.json()["prefect"], answer.json()["dask"], len(answer.json()["problems"])) == ([], [], 2)
