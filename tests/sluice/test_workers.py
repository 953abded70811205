"""Who works, as their servers tell it. The stack's own workers are in tests/serving/tasks."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from sluice.dask_settings import DaskSettings, RunClusterSettings
from sluice.errors import ServiceUnavailableError
from sluice.runs import PrefectRuns
from sluice.settings import Settings
from sluice.workers import all_workers, dask_workers, prefect_workers

WORKER = {"name": "a", "last_heartbeat_time": "2026-11-21T05:00:00Z", "status": "ONLINE"}


def prefect(workers: list[dict[str, Any]]) -> PrefectRuns:
    """A server with one pool and these workers; two runs of ``a`` are under way, and one that nobody started."""

    def answer(request: httpx.Request) -> httpx.Response:
        match request.url.path:
            case "/api/work_pools/filter":
                return httpx.Response(200, json=[{"name": "sluice", "type": "process"}])
            case "/api/work_pools/sluice/workers/filter":
                return httpx.Response(200, json=workers)
            case "/api/flow_runs/filter":
                labels = {"prefect.work-pool.name": "sluice", "prefect.worker.name": "a"}
                return httpx.Response(200, json=[{"labels": labels}, {"labels": labels}, {"labels": None}])
        raise AssertionError(request.url.path)

    return PrefectRuns("http://prefect/api", httpx.MockTransport(answer))


@contextmanager
def scheduler(body: bytes, status: int = 200) -> Iterator[str]:
    """Something that answers where Dask's scheduler should; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_worker_has_the_runs_that_it_started() -> None:
    """Others of its pool have none of them; on loopback it is known where they are."""
    workers = [{**WORKER, "name": "b", "status": "OFFLINE"}, WORKER]
    with prefect(workers) as client:
        here, elsewhere = (prefect_workers(client, url) for url in ("http://127.0.0.1:1/api", "http://prefect/api"))
    first, second = here
    assert (first.name, first.pool, first.type, first.runs_in_hand) == ("a", "sluice", "process", 2)
    assert (second.name, second.status, second.runs_in_hand) == ("b", "OFFLINE", 0)
    assert [first.host, elsewhere[0].host] == ["127.0.0.1", None]


@pytest.mark.parametrize(("body", "status"), [(b"not json", 200), (b"[]", 200), (b'{"workers": 1}', 200), (b"", 502)])
def test_what_is_no_scheduler_is_an_outage(body: bytes, status: int) -> None:
    """Whatever listens on the port: one line with the address."""
    with scheduler(body, status) as address, pytest.raises(ServiceUnavailableError, match=address):
        dask_workers(address)


def test_a_worker_that_is_not_ours_has_what_dask_tells() -> None:
    """Without the preload there is no process and no count of what is done."""
    body = (
        b'{"workers": {"tcp://10.0.0.1:1": {"name": 3, "host": "10.0.0.1", "nthreads": 2, "memory_limit": 0,'
        b'"status": "paused", "last_seen": 1.5, "metrics": {"memory": 7, "cpu": 1.5,'
        b'"task_counts": {"executing": 1, "ready": 2, "memory": 40}}}}}'
    )
    with scheduler(body) as address:
        (worker,) = dask_workers(address)
    assert (worker.name, worker.address, worker.threads, worker.status) == ("3", "tcp://10.0.0.1:1", 2, "paused")
    assert (worker.memory.used, worker.memory.limit, worker.cpu) == (7, None, 1.5)
    assert (worker.pid, worker.tasks_in_hand, worker.tasks_done) == (None, 3, None)


def test_clusters_of_runs_are_no_problem() -> None:
    """Nobody is asked for their workers, and it is said why there are none."""
    dask = DaskSettings(per_run=RunClusterSettings(spec=Path("cluster.yaml")))
    with prefect([WORKER]) as client:
        found = all_workers(client, Settings(dask=dask))
    assert [one.name for one in found.prefect] == ["a"]
    assert (found.dask, found.problems) == ([], [])
    assert "a Dask cluster of its own" in found.note


def test_the_one_that_does_not_answer_is_a_problem() -> None:
    """The other is told all the same."""
    with prefect([WORKER]) as client, scheduler(b"", 500) as address:
        port = int(address.rpartition(":")[2])
        found = all_workers(client, Settings(dask=DaskSettings(dashboard_port=port)))
    assert [one.name for one in found.prefect] == ["a"]
    assert found.dask == []
    assert len(found.problems) == 1
    assert address in found.problems[0]
