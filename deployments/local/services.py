"""The services of the local stack: what to run, and where each one's health is seen."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec

from deployments.local import environment
from deployments.local.record import StackRecord, host_of, is_local, port_of, starts_dask
from sluice.settings import Settings


@dataclass(frozen=True)
class Service:
    """One process to supervise.

    Attributes:
        name: in the log file's name, in `sluice status`, and for the supervisor.
        title: for people.
        command: without a shell.
        ports: which it will listen on, with the setting that moves each.
        wait_for: ``host:port`` addresses that must accept connections before it is started.
        grace: seconds it gets to end after SIGTERM.
    """

    name: str
    title: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[int, str] = field(default_factory=dict)
    wait_for: tuple[str, ...] = ()
    grace: float = 10.0


def local_services(record: StackRecord, settings: Settings) -> list[Service]:
    """What has to run here. An engine whose address is elsewhere is not started, only used."""
    return [
        *_prefect_server(record),
        *_mlflow(record),
        *_dask(record, settings),
        _prefect_worker(record),
        _catch_up(record),
        *_serving(record),
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


def _mlflow(record: StackRecord) -> Iterator[Service]:
    if not is_local(record.mlflow_uri):
        return
    home, host, port = record.home / "mlflow", host_of(record.mlflow_uri), port_of(record.mlflow_uri)
    hosts = ",".join(f"{name}{suffix}" for name in ("127.0.0.1", "localhost") for suffix in ("", f":{port}"))
    yield Service(
        name="mlflow",
        title="MLflow server",
        command=(
            *_python("mlflow", "server", "--host", host, "--port", str(port), "--workers", "1"),
            *("--backend-store-uri", f"sqlite:///{home / 'mlflow.db'}"),
            # Written by the clients straight to the disk, not through the server.
            *("--default-artifact-root", (home / "artifacts").as_uri(), "--no-serve-artifacts"),
            *("--allowed-hosts", hosts),
        ),
        env={"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        ports={port: "SLUICE_MLFLOW__URI=http://127.0.0.1:PORT"},
    )


def _dask(record: StackRecord, settings: Settings) -> Iterator[Service]:
    if not starts_dask(settings):
        return
    host, port = host_of(record.dask_address), port_of(record.dask_address)
    dashboard = port_of(record.dask_dashboard)
    yield Service(
        name="dask-scheduler",
        title="Dask scheduler",
        command=_python(
            *("dask", "scheduler", "--host", host, "--port", str(port)),
            *("--dashboard-address", f"{host}:{dashboard}"),
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
            *("--memory-limit", settings.dask.memory_limit, "--dashboard-address", f"{host}:0"),
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


def _serving(record: StackRecord) -> Iterator[Service]:
    if find_spec("serving.app") is None:
        return
    yield Service(
        name="serving",
        title="Serving",
        command=_python("serving"),
        ports={record.serving_port: "SLUICE_SERVING__PORT=PORT"},
    )
