"""Where a scheduler's workers show their metrics, for Prometheus to find them: workers listen on ports of their own.

A preload (``DASK_DISTRIBUTED__SCHEDULER__PRELOAD``). The page is ``/prometheus/workers.json`` beside the scheduler's
own, in the format of https://prometheus.io/docs/prometheus/latest/http_sd/.
"""

import json
from urllib.parse import urlsplit

import distributed
from distributed.http.utils import RequestHandler
from tornado.web import Application

PATH = "/prometheus/workers.json"


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
    page = Application([(PATH, WorkerTargets, {"dask_server": scheduler})])
    scheduler.http_application.add_application(page)
