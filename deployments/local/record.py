"""What is up in a folder: ``stack.json`` in its home.

It exists from `sluice up` to `sluice down`, and holds the addresses that were chosen, so that every command run in that
folder talks to that folder's stack.
"""

import json
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from deployments.local.ports import free_ports, is_free
from sluice.settings import Settings, is_loopback, without_credentials


class StackRecord(BaseModel):
    """Addresses of one stack.

    Attributes:
        dask_pages: where people see the dashboard, if not at its own address.
        root: the folder it was started in, where its processes run.
        complete: whether `up` has seen all of it healthy, and no `down` has begun. It is not while either is at work,
            or was killed at it.
    """

    model_config = ConfigDict(frozen=True)

    home: Path
    root: Path
    pid: int = 0
    complete: bool = False
    prefect_url: str
    prefect_pages: str = ""
    mlflow_uri: str
    dask_address: str
    dask_dashboard: str
    dask_pages: str = ""
    serving_host: str
    serving_port: int
    exporter_host: str = "127.0.0.1"  # a record from before there was one has neither
    exporter_port: int = 9200
    prometheus_port: int = 9090
    alertmanager_port: int = 9093
    node_exporter_port: int = 9100
    services: tuple[str, ...] = ()

    @property
    def serving_url(self) -> str:
        return f"http://{self.serving_host}:{self.serving_port}"

    @property
    def exporter_url(self) -> str:
        return f"http://{self.exporter_host}:{self.exporter_port}"

    # What watches asks nobody who they are: never on another address.

    @property
    def prometheus_url(self) -> str:
        return f"http://127.0.0.1:{self.prometheus_port}"

    @property
    def alertmanager_url(self) -> str:
        return f"http://127.0.0.1:{self.alertmanager_port}"

    @property
    def node_exporter_url(self) -> str:
        return f"http://127.0.0.1:{self.node_exporter_port}"

    @property
    def prefect_ui(self) -> str:
        return without_credentials(self.prefect_pages or self.prefect_url.removesuffix("/api")).rstrip("/")

    @property
    def dask_ui(self) -> str:
        return self.dask_pages or self.dask_dashboard

    @classmethod
    def of(cls, settings: Settings, root: Path) -> "StackRecord":
        """The stack that these settings describe."""
        dask = settings.dask
        return cls(
            home=settings.home,
            root=root,
            prefect_url=settings.prefect.url,
            prefect_pages=settings.prefect.ui,
            mlflow_uri=settings.mlflow.uri,
            dask_address=dask.address or f"tcp://{settings.host}:{dask.scheduler_port}",
            dask_dashboard=_dashboard(settings),
            dask_pages=dask.ui,
            serving_host=settings.serving.host,
            serving_port=settings.serving.port,
            exporter_host=settings.exporter.host,
            exporter_port=settings.exporter.port,
            prometheus_port=settings.observe.prometheus_port,
            alertmanager_port=settings.observe.alertmanager_port,
            node_exporter_port=settings.observe.node_exporter_port,
        )

    def on_free_ports(self, settings: Settings) -> "StackRecord":
        """The same stack on ports that are free now. What is not started here keeps its address."""
        host = settings.host
        prefect, mlflow, scheduler, dashboard, serving, exporter, *watching = free_ports(host, 9)
        moved: dict[str, object] = {"serving_port": serving, "exporter_port": exporter}
        moved |= dict(zip(("prometheus_port", "alertmanager_port", "node_exporter_port"), watching, strict=True))
        if is_local(self.prefect_url):
            moved["prefect_url"] = f"http://{host}:{prefect}/api"
        if is_local(self.mlflow_uri):
            moved["mlflow_uri"] = f"http://{host}:{mlflow}"
        if starts_dask(settings):
            moved["dask_address"] = f"tcp://{host}:{scheduler}"
            moved["dask_dashboard"] = f"http://{_loopback(host)}:{dashboard}"
        return self.model_copy(update=moved)

    def applied_to(self, settings: Settings) -> Settings:
        """The settings with this stack's addresses in them."""
        return settings.model_copy(
            update={
                "prefect": settings.prefect.model_copy(update={"url": self.prefect_url}),
                "mlflow": settings.mlflow.model_copy(update={"uri": self.mlflow_uri}),
                "dask": settings.dask.model_copy(
                    update={
                        "address": self.dask_address,
                        "dashboard_port": port_of(self.dask_dashboard),
                        "dashboard": self.dask_dashboard,
                    }
                ),
                "serving": settings.serving.model_copy(update={"host": self.serving_host, "port": self.serving_port}),
                "exporter": settings.exporter.model_copy(update={"port": self.exporter_port}),
                "observe": settings.observe.model_copy(
                    update={
                        "prometheus_port": self.prometheus_port,
                        "alertmanager_port": self.alertmanager_port,
                        "node_exporter_port": self.node_exporter_port,
                    }
                ),
            }
        )

    def write(self) -> None:
        path = record_path(self.home)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Renamed into place: a reader never sees half of it.
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        part.touch(mode=0o600)  # an address may have a password in it
        part.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        part.replace(path)


def record_path(home: Path) -> Path:
    return home / "stack.json"


def read_record(home: Path) -> StackRecord | None:
    """The record in this home, or None where nothing is up. An unreadable one counts as none: it is written anew."""
    try:
        return StackRecord.model_validate(json.loads(record_path(home).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def current_stack() -> tuple[StackRecord, Settings]:
    """The stack that is up in this folder, or the one that the environment describes, and the settings to reach it."""
    settings = Settings.load()
    record = read_record(settings.home) or StackRecord.of(settings, root=Path.cwd())
    return record, record.applied_to(settings)


def starts_dask(settings: Settings) -> bool:
    """Whether the scheduler is ours to start: none is named, or one on this machine where nobody listens."""
    address = settings.dask.address
    return not address or (is_local(address) and is_free(host_of(address), port_of(address)))


def port_of(address: str) -> int:
    """The port of a URL or of a ``tcp://`` address."""
    parts = urlsplit(address)
    return parts.port or (443 if parts.scheme == "https" else 80)


def host_of(address: str) -> str:
    return urlsplit(address).hostname or ""


def _dashboard(settings: Settings) -> str:
    """A stack's own never listens on another address than this machine's, wherever its scheduler does."""
    if settings.dask.address and not is_local(settings.dask.address):
        return settings.dask_dashboard
    return f"http://{_loopback(settings.host)}:{settings.dask.dashboard_port}"


def _loopback(host: str) -> str:
    return host if is_loopback(host) else "127.0.0.1"


def is_local(address: str) -> bool:
    """Whether the stack has to start what answers there: an address elsewhere is somebody else's."""
    return host_of(address) in {"127.0.0.1", "localhost", "::1"}
