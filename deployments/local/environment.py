"""The environment of every process of a stack: its addresses, its folders, and nothing that leaves the machine."""

import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import observability
from deployments.local.record import StackRecord, host_of, port_of
from sluice.settings import Settings, without_credentials

# Logging configurations of other projects' processes.
LOGGING = Path(observability.__file__).parent
HEARTBEAT_SECONDS = 30  # of a flow run; Prefect accepts no less
# In place of Dask's own, with the same levels; scheduler, nannies and workers apply it when they import distributed.
_DASK_LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"sluice": {"class": "observability.process.ProcessHandler"}},
    "root": {"level": "INFO", "handlers": ["sluice"]},
    "loggers": {
        "distributed.client": {"level": "WARNING"},
        "bokeh": {"level": "ERROR"},
        "tornado": {"level": "CRITICAL"},
        "tornado.application": {"level": "ERROR"},
    },
}


def stack_environment(record: StackRecord) -> dict[str, str]:
    """Variables that make any process a member of this stack."""
    home = record.home
    return {
        "SLUICE_HOME": str(home),
        "SLUICE_PREFECT__URL": record.prefect_url,
        "SLUICE_MLFLOW__URI": record.mlflow_uri,
        "SLUICE_DASK__ADDRESS": record.dask_address,
        "SLUICE_DASK__DASHBOARD": record.dask_dashboard,
        "SLUICE_DASK__DASHBOARD_PORT": str(port_of(record.dask_dashboard)),
        "SLUICE_SERVING__HOST": record.serving_host,
        "SLUICE_SERVING__PORT": str(record.serving_port),
        "SLUICE_EXPORTER__HOST": record.exporter_host,
        "SLUICE_EXPORTER__PORT": str(record.exporter_port),
        "SLUICE_OBSERVE__PROMETHEUS_PORT": str(record.prometheus_port),
        "SLUICE_OBSERVE__ALERTMANAGER_PORT": str(record.alertmanager_port),
        "SLUICE_OBSERVE__NODE_EXPORTER_PORT": str(record.node_exporter_port),
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_API_URL": record.prefect_url,
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
        "MLFLOW_TRACKING_URI": record.mlflow_uri,
        # Nothing leaves the machine.
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "NO_PROXY": ",".join(filter(None, [os.environ.get("NO_PROXY", ""), "127.0.0.1,localhost"])),
    }


# What `secret_environment` gives, and the setting that each comes from.
_SECRETS = {
    "PREFECT_API_AUTH_STRING": "SLUICE_PREFECT__AUTH",
    "MLFLOW_TRACKING_USERNAME": "SLUICE_MLFLOW__USERNAME",
    "MLFLOW_TRACKING_PASSWORD": "SLUICE_MLFLOW__PASSWORD",
}
# Addresses under other projects' names: whoever wrote a password into one has it in this setting.
_ADDRESSES = {"PREFECT_API_URL": "SLUICE_PREFECT__URL", "MLFLOW_TRACKING_URI": "SLUICE_MLFLOW__URI"}


def exports(record: StackRecord) -> Iterator[str]:
    """The stack's environment as a shell takes it.

    A secret is not for a terminal: it goes by the name of its setting, which is in that shell, or is left out.
    """
    secrets = dict(_SECRETS)
    for name, value in stack_environment(record).items():
        if without_credentials(value) == value:
            yield f"export {name}={shlex.quote(value)}"
        else:
            secrets[name] = _ADDRESSES.get(name, name)
    yield from (f'export {name}="${setting}"' for name, setting in secrets.items() if setting in os.environ)


def secret_environment(settings: Settings) -> dict[str, str]:
    """What the engines' own clients sign in with, and Prefect's server asks for.

    A process hands it to those that it starts; it is in no file and no command line.
    """
    secrets: dict[str, str] = {}
    if auth := settings.prefect.auth.get_secret_value():
        secrets |= {"PREFECT_API_AUTH_STRING": auth, "PREFECT_SERVER_API_AUTH_STRING": auth}
    if settings.mlflow.account:
        username, password = settings.mlflow.account
        secrets |= {"MLFLOW_TRACKING_USERNAME": username, "MLFLOW_TRACKING_PASSWORD": password}
    return secrets


def service_environment(record: StackRecord) -> dict[str, str]:
    """What services get on top: only they run unattended, and write to log files."""
    return {
        **stack_environment(record),
        "NO_COLOR": "1",
        "PREFECT_LOGGING_COLORS": "false",
        "PREFECT_LOGGING_SETTINGS_PATH": str(LOGGING / "prefect_logging.yaml"),
        "PYTHONUNBUFFERED": "1",
        # The folder that a process is started in never comes first on the path: a user's own flows/ or serving/ there
        # would be imported in place of ours.
        "PYTHONSAFEPATH": "1",
    }


def prefect_server_environment(record: StackRecord) -> dict[str, str]:
    return {
        "PREFECT_SERVER_API_HOST": host_of(record.prefect_url),
        "PREFECT_SERVER_API_PORT": str(port_of(record.prefect_url)),
        "PREFECT_SERVER_UI_API_URL": record.prefect_url,
        "PREFECT_SERVER_METRICS_ENABLED": "true",  # under /api/metrics
        # Who holds a concurrency slot must outlive a restart of the server: with the default, memory, slots that were
        # taken before it stay taken for ever.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        # Flow runs too, not only events: otherwise the database grows without bound.
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        # A run that waits because a deployment has as many as it may is asked again after this; the default is 30.
        "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "5",
    }


def mlflow_environment() -> dict[str, str]:
    return {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def worker_environment() -> dict[str, str]:
    return {
        # With the default of 10 seconds a run waits longer for its start than a small stage takes.
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_WORKER_HEARTBEAT_SECONDS": "10",
    }


def dask_environment() -> dict[str, str]:
    return {
        # A task that takes its worker down is not given to the next ones for ever.
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "2",
        "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "60s",
        "DASK_DISTRIBUTED__WORKER__PRELOAD": '["flows.dask_worker"]',
        "DASK_DISTRIBUTED__SCHEDULER__PRELOAD": '["flows.dask_scheduler"]',
        "DASK_LOGGING": json.dumps(_DASK_LOGGING).replace("false", "False"),  # Dask reads it as Python
        # Dask's own choice, 64 KiB, gives every array back at once and takes new pages for the next one: steps that
        # work with NumPy took 1.6 times as long. A worker keeps up to 32 MiB with this.
        "MALLOC_TRIM_THRESHOLD_": str(32 << 20),
        "MALLOC_MMAP_THRESHOLD_": str(16 << 20),
    }


def join(record: StackRecord) -> None:
    """Make this process, and those that it starts, members of the stack.

    Before Prefect is imported, which reads its settings then.
    """
    os.environ.update(stack_environment(record) | secret_environment(Settings.load()))
