"""A program that registers a model which answers some requests and leaves others waiting: ``python models.py URI``."""

import sys
import time
from typing import Any

import mlflow
import pandas as pd
from mlflow.models import infer_signature
from mlflow.pyfunc import PythonModel
from mlflow.tracking import MlflowClient

LIMIT_SECONDS = 1


class Broken(PythonModel):
    """Takes longer for what is negative than the service lets a request take: 504, a fault of ours."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
        if (model_input["x"] < 0).any():
            time.sleep(2 * LIMIT_SECONDS)
        return model_input["x"].to_numpy()


def register_broken(uri: str) -> None:
    """As champion of the model ``broken``."""
    mlflow.set_tracking_uri(uri)
    example = pd.DataFrame({"x": [1.0]})
    with mlflow.start_run():
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=Broken(),
            signature=infer_signature(example, example["x"].to_numpy()),
            input_example=example,
            pip_requirements=["mlflow"],
        )
    version = mlflow.register_model(logged.model_uri, "broken").version
    MlflowClient(uri).set_registered_model_alias("broken", "champion", version)


if __name__ == "__main__":
    register_broken(sys.argv[1])
