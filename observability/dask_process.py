"""A preload of Dask workers that a run starts itself, without a stack's environment: their logs and traces."""

from observability.process import configure_process, service_name
from sluice.settings import Settings


def dask_setup(_: object) -> None:
    """Called by Dask when the worker starts."""
    configure_process(Settings.load(), service=service_name("dask"))
