"""The environment of every process of a stack: its addresses, its folders, and nothing that leaves the machine."""

import os

from deployments.local.record import StackRecord, host_of, port_of

HEARTBEAT_SECONDS = 30  # of a flow run; Prefect accepts no less


def stack_environment(record: StackRecord) -> dict[str, str]:
    """Variables that make any process a member of this stack."""
    home = record.home
    return {
        "SLUICE_HOME": str(home),
        "SLUICE_PREFECT__URL": record.prefect_url,
        "SLUICE_MLFLOW__URI": record.mlflow_uri,
        "SLUICE_DASK__ADDRESS": record.dask_address,
        "SLUICE_SERVING__HOST": record.serving_host,
        "SLUICE_SERVING__PORT": str(record.serving_port),
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


def service_environment(record: StackRecord) -> dict[str, str]:
    """What services get on top: only they run unattended, and write to log files."""
    return {
        **stack_environment(record),
        "NO_COLOR": "1",
        "PREFECT_LOGGING_COLORS": "false",
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
        # Who holds a concurrency slot must outlive a restart of the server: with the default, memory, slots that were
        # taken before it stay taken for ever.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        # Flow runs too, not only events: otherwise the database grows without bound.
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    }


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
        # Dask's own choice, 64 KiB, gives every array back at once and takes new pages for the next one: steps that
        # work with NumPy took 1.6 times as long. A worker keeps up to 32 MiB with this.
        "MALLOC_TRIM_THRESHOLD_": str(32 << 20),
        "MALLOC_MMAP_THRESHOLD_": str(16 << 20),
    }


def join(record: StackRecord) -> None:
    """Make this process a member of the stack, before it imports Prefect, which reads its settings then."""
    os.environ.update(stack_environment(record))
