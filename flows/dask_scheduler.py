"""Two pages beside a scheduler's own: where its workers show their metrics, and since when it has been idle.

A preload (``DASK_DISTRIBUTED__SCHEDULER__PRELOAD``). Workers listen on ports of their own, which Prometheus finds at
``/prometheus/workers.json``, in the format of https://prometheus.io/docs/prometheus/latest/http_sd/. Dask-kubernetes'
operator asks for the other, and otherwise would have to reach the port that runs whatever it is sent.
"""

import json
from urllib.parse import urlsplit

import distributed
from distributed.http.scheduler.api import CheckIdleHandler
from distributed.http.utils import RequestHandler
from tornado.web import Application

PATH = "/prometheus/workers.json"
# Dask's own handler. The rest of its API, which retires workers, is left out.
IDLE_PATH = "/api/v1/check_idle"


class WorkerTargets(RequestHandler):
    """Each worker that has a page, by its name."""

    def get(self) -> None:
        self.set_header("Content-Type", "application/json")
        self.write(json.dumps(targets(self.server)))


def targets(scheduler: distributed.Scheduler) -> list[dict[str, object]]:
    """What Prometheus reads: one group a worker, labelled with the address by which the scheduler's log names it."""
    found: list[dict[str, object]] = []
    for address, worker in scheduler.workers.items():
        if port := worker.services.get("dashboard"):
            host = urlsplit(address).hostname or ""
            at = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            found.append({"targets": [at], "labels": {"worker": address}})
    return found


def dask_setup(scheduler: distributed.Scheduler) -> None:
    """Called by Dask when the scheduler starts."""
    given = {"dask_server": scheduler}
    pages = Application([(PATH, WorkerTargets, given), (IDLE_PATH, CheckIdleHandler, given)])
    scheduler.http_application.add_application(pages)
