"""What tests of the kernel share: MLflow's tables, which take most of a second to make."""

import pytest
from mlflow.tracking import MlflowClient


@pytest.fixture(scope="session")
def mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database with MLflow's tables and nothing in them."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path.read_bytes()
