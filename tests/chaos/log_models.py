"""A program that fills a registry: ``python log_models.py URI``.

``forest`` has the versions 1 to `GOOD`, which Sluice registered and which are told apart by their answers. By plain
MLflow code, which knows nothing of Sluice, are one more that fails its own example, one that nobody can load, and the
other models: ``plain`` is a forest with two versions, ``line`` is quick, ``batched`` is quicker together, ``slow``
takes as long as it is told.
"""

import sys
import time
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from mlflow.tracking import MlflowClient
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression

from sluice.mlflow_registry import MlflowRegistry

GOOD = 11
# Of `forest`, after the good ones.
FAILS, UNLOADABLE = str(GOOD + 1), str(GOOD + 2)
COLUMNS = ["a", "b", "c", "d"]


class Batched(mlflow.pyfunc.PythonModel):
    """A call takes 10 ms, however many rows it has."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
        time.sleep(0.01)
        return model_input["a"].to_numpy() * 2


class Slow(mlflow.pyfunc.PythonModel):
    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
        time.sleep((params or {}).get("sleep", 0.0))
        return model_input["a"].to_numpy() * 2


def log(module: Any, name: str, params: dict[str, Any] | None = None, rows: Any = None, **options: Any) -> None:
    rows = ROWS.head(5) if rows is None else rows
    signature = infer_signature(rows, np.ones(len(rows)), params)
    with mlflow.start_run():
        module.log_model(
            name="model", registered_model_name=name, signature=signature, input_example=rows,
            pip_requirements=["scikit-learn"], **options,
        )  # fmt: skip


def gone() -> BaseEstimator:
    """An estimator of a library that the service does not have."""
    library = ModuleType("library_that_is_gone")
    source = "from sklearn.linear_model import LinearRegression\nclass Gone(LinearRegression): pass"
    exec(source, library.__dict__)
    sys.modules[library.__name__] = library
    model: BaseEstimator = library.Gone().fit(ROWS, np.zeros(len(ROWS)))
    return model


def main() -> None:
    mlflow.set_tracking_uri(sys.argv[1])
    pickled = {"serialization_format": "cloudpickle"}
    registry = MlflowRegistry(sys.argv[1], Path("cache"))
    for version in range(1, GOOD + 1):
        forest = RandomForestRegressor(30, random_state=version, n_jobs=1).fit(ROWS, 100 * version + ROWS["a"])
        registry.register(forest, name="forest", example=ROWS.head(5), key=str(version), params={})
        if version <= 2:
            log(mlflow.sklearn, "plain", sk_model=forest, **pickled)
    log(mlflow.sklearn, "forest", sk_model=forest, rows=ROWS.head(5).drop(columns="d"), **pickled)
    log(mlflow.sklearn, "forest", sk_model=gone(), **pickled)
    log(mlflow.sklearn, "line", sk_model=LinearRegression().fit(ROWS, ROWS["a"]), **pickled)
    log(mlflow.pyfunc, "batched", python_model=Batched())
    log(mlflow.pyfunc, "slow", python_model=Slow(), params={"sleep": 0.0})
    for name in ("forest", "plain", "line", "batched", "slow"):
        MlflowClient().set_registered_model_alias(name, "champion", "1")


ROWS = pd.DataFrame(np.random.default_rng(7).random((1000, len(COLUMNS))), columns=COLUMNS)

if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
