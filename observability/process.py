"""Logs and traces of a whole process: ours call `configure_process`, others are told of `ProcessHandler`.

Those of Prefect, of MLflow (uvicorn) and of Dask are told by their logging configuration (`prefect_logging.yaml`,
`uvicorn_logging.json`, ``DASK_LOGGING``), the workers of a run's own cluster by a preload.
"""

import os

from observability.logging import InterceptHandler, configure_logging
from observability.tracing import configure_tracing
from sluice.errors import SettingsInvalidError
from sluice.settings import Settings

# Where a process of another project is told what it is; OpenTelemetry's own variable.
SERVICE = "OTEL_SERVICE_NAME"
_FLOW_RUN = "PREFECT__FLOW_RUN_ID"


def configure_process(settings: Settings, *, service: str) -> None:
    """Both, once the libraries are imported that configure logging themselves."""
    configure_logging(settings, service=service)
    configure_tracing(settings, service=service)


def service_name(otherwise: str) -> str:
    """What this process is: a run, though its worker's environment came with it; or what the stack calls it."""
    return "flow-run" if os.environ.get(_FLOW_RUN) else os.environ.get(SERVICE) or otherwise


class ProcessHandler(InterceptHandler):
    """A logging handler for configurations by name: wherever it is made, the process is one of ours."""

    def __init__(self, *, traced: bool = True) -> None:
        super().__init__()
        try:
            settings = Settings.load()
        except SettingsInvalidError:
            return  # whoever needs them says it, as a run does; until then loguru's own sink takes the lines
        service = service_name("prefect")
        configure_logging(settings, service=service)
        if traced:
            configure_tracing(settings, service=service)


class PrefectHandler(ProcessHandler):
    """For Prefect's processes, of which only a run's is traced.

    In the server's, FastAPI and Docket would begin a trace with each probe, each poll of a worker and each loop.
    """

    def __init__(self) -> None:
        super().__init__(traced=_FLOW_RUN in os.environ)


class MlflowHandler(ProcessHandler):
    """For MLflow's server, not traced as Prefect's is not: MLflow gives its loggers handlers when it is imported."""

    def __init__(self) -> None:
        import mlflow  # noqa: F401

        super().__init__(traced=False)
