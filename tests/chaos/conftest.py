"""A registry with models that plain MLflow code logged, for the service under load."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.chaos.service_process import Mlflow, Service
from tests.conftest import clean_environment

PROGRAM = Path(__file__).with_name("log_models.py")
StartService = Callable[..., Service]


@pytest.fixture(scope="session")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mlflow]:
    home = tmp_path_factory.mktemp("registry") / "mlflow"
    with Mlflow(home) as server:
        logged = subprocess.run(
            [sys.executable, PROGRAM, server.uri],
            env=clean_environment(home),
            cwd=home,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert logged.returncode == 0, logged.stderr
        yield server


@pytest.fixture
def start_service(mlflow: Mlflow, tmp_path: Path) -> Iterator[StartService]:
    """Starts the service with given models and settings; it is stopped with the test."""
    with ExitStack() as started:

        def start(*models: str, home: Path = tmp_path / "home", **settings: str) -> Service:
            service: Service = started.enter_context(Service(home, mlflow.uri, list(models), **settings))
            return service

        yield start
