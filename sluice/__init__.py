"""Sluice's kernel: what every room shares. It imports no Prefect, Dask or FastAPI."""

__version__ = "0.1.0"
