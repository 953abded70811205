"""The services of the local stack: what to run, and where each one's health is seen."""

import shlex
import sys
from collections.abc import Iterator
from importlib.util import find_spec

from deployments.local import environment
from deployments.local.record import StackRecord, host_of, is_local, port_of, starts_dask
from deployments.local.service import Service
from deployments.local.watching import watching_services
from sluice.settings import Settings


def local_services(record: StackRecord, settings: Settings, observe: bool = False) -> list[Service]:
    """What has to run here. An engine whose address is elsewhere is not started, only used.

    Args:
        observe: also what watches it, as far as that is installed.
    """
    return [
        *_prefect_server(record),
        *_mlflow(record, settings),
        *_dask(record, settings),
        _prefect_worker(record),
        _catch_up(record),
        _exporter(record),
        *_serving(record),
        *(watching_services(record, settings) if observe else ()),
    ]


def _python(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", *arguments)


def _address(url: str) -> str:
    return f"{host_of(url)}:{port_of(url)}"


def _prefect_server(record: StackRecord) -> Iterator[Service]:
    if not is_local(record.prefect_url):
        return
    port = port_of(record.prefect_url)
    yield Service(
        name="prefect-server",
        title="Prefect server",
        command=_python("deployments.local.prefect_server", "server", "start", "--analytics-off"),
        env=environment.prefect_server_environment(record),
        ports={port: "SLUICE_PREFECT__URL=http://127.0.0.1:PORT/api"},
    )


def _mlflow(record: StackRecord, settings: Settings) -> Iterator[Service]:
    if not is_local(record.mlflow_uri):
        return
    home, host, port = record.home / "mlflow", host_of(record.mlflow_uri), port_of(record.mlflow_uri)
    hosts = ",".join(f"{name}{suffix}" for name in ("127.0.0.1", "localhost") for suffix in ("", f":{port}"))
    # Without an account as anybody starts it; see `deployments.local.mlflow_server`.
    server = ("deployments.local.mlflow_server",) if settings.mlflow.username else ("mlflow", "server")
    yield Service(
        name="mlflow",
        title="MLflow server",
        command=(
            *_python(*server, "--host", host, "--port", str(port), "--workers", "1"),
            *("--backend-store-uri", f"sqlite:///{home / 'mlflow.db'}"),
            # Written by the clients straight to the disk, not through the server.
            *("--default-artifact-root", (home / "artifacts").as_uri(), "--no-serve-artifacts"),
            *("--allowed-hosts", hosts),
            *(("--expose-prometheus", str(home / "metrics")) if find_spec("prometheus_flask_exporter") else ()),
            *("--uvicorn-opts", shlex.join(("--log-config", str(environment.LOGGING / "uvicorn_logging.json")))),
        ),
        env=environment.mlflow_environment(),
        ports={port: "SLUICE_MLFLOW__URI=http://127.0.0.1:PORT"},
    )


def _dask(record: StackRecord, settings: Settings) -> Iterator[Service]:
    if not starts_dask(settings):
        return
    host, port = host_of(record.dask_address), port_of(record.dask_address)
    # They ask nobody who they are: a proxy that does may stand before them.
    pages, dashboard = host_of(record.dask_dashboard), port_of(record.dask_dashboard)
    yield Service(
        name="dask-scheduler",
        title="Dask scheduler",
        command=_python(
            *("dask", "scheduler", "--host", host, "--port", str(port)),
            *("--dashboard-address", f"{pages}:{dashboard}"),
        ),
        env=environment.dask_environment(),
        ports={port: "SLUICE_DASK__SCHEDULER_PORT=PORT", dashboard: "SLUICE_DASK__DASHBOARD_PORT=PORT"},
    )
    yield Service(
        name="dask-workers",
        title=f"Dask workers ({settings.dask.workers})",
        command=_python(
            *("dask", "worker", record.dask_address, "--host", host),
            *("--nworkers", str(settings.dask.workers), "--nthreads", str(settings.dask.threads)),
            *("--memory-limit", settings.dask.memory_limit, "--dashboard-address", f"{pages}:0"),
            *("--local-directory", str(record.home / "dask")),
        ),
        env=environment.dask_environment(),
        wait_for=(_address(record.dask_address),),
        # A worker that has run Prefect tasks takes six seconds to end, and there is nothing left for it to save.
        grace=1.5,
    )


def _prefect_worker(record: StackRecord) -> Service:
    return Service(
        name="prefect-worker",
        title="Prefect worker",
        command=_python("deployments.local.worker"),
        env=environment.worker_environment(),
        wait_for=(_address(record.prefect_url),),
    )


def _catch_up(record: StackRecord) -> Service:
    return Service(
        name="catch-up",
        title="Schedules' catch-up",
        command=_python("deployments.catch_up"),
        wait_for=(_address(record.prefect_url),),
    )


def _exporter(record: StackRecord) -> Service:
    return Service(
        name="exporter",
        title="Exporter",
        command=_python("observability.exporter"),
        ports={record.exporter_port: "SLUICE_EXPORTER__PORT=PORT"},
        wait_for=(_address(record.prefect_url),),
    )


def _serving(record: StackRecord) -> Iterator[Service]:
    if find_spec("serving.app") is None:
        return
    yield Service(
        name="serving",
        title="Serving",
        command=_python("serving"),
        ports={record.serving_port: "SLUICE_SERVING__PORT=PORT"},
    )
