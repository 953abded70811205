"""A Keras model as MLflow saves and serves it: its own file, asked by columns.

MLflow's flavour for Keras takes tensors only, so a caller could not send rows with names, nor find out which.
"""

import importlib
import os
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext

# Both are read once, when Keras is imported: without the one it asks for TensorFlow where the extra `keras` brings JAX,
# without the other it writes into the home directory.
if find_spec("tensorflow") is None and "keras" not in sys.modules:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    os.environ.setdefault("KERAS_HOME", str(Path(tempfile.gettempdir()) / "keras"))


class KerasModel(PythonModel):
    """Answers what the Keras model does for the columns as one array, shape (rows,) or (rows, outputs).

    A layer that is defined in a use case is not in the file: register it with ``keras.saving`` in a module that the
    service has too, or build the network from Keras' own.
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    def artifacts(self, folder: Path) -> dict[str, str]:
        path = folder / "network.keras"
        self.model.save(path)
        return {"network": str(path)}

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def load_context(self, context: PythonModelContext) -> None:
        self.model = importlib.import_module("keras").saving.load_model(context.artifacts["network"])

    def predict(
        self, context: PythonModelContext | None, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> Any:
        answer = self.model.predict(model_input.to_numpy(dtype="float32"), verbose=0)
        return answer[:, 0] if answer.ndim == 2 and answer.shape[1] == 1 else answer
