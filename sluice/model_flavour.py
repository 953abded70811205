"""How a trained object becomes an MLflow model: which flavour, with which signature, and whether it answers."""

import logging
from pathlib import Path
from typing import Any

import cloudpickle
import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from mlflow.models.model import ModelInfo
from mlflow.pyfunc import PythonModel

from sluice.errors import ModelExampleFailedError, ModelSignatureMissingError

# Inferring requirements runs the model in a fresh process for 12 s. What serves a model has the kernel installed.
_REQUIREMENTS = [f"mlflow=={mlflow.__version__}", f"numpy=={np.__version__}", f"pandas=={pd.__version__}"]


def log_model(model: Any, name: str, example: pd.DataFrame, folder: Path) -> ModelInfo:
    """Log into the active run.

    A `PythonModel` may have ``artifacts(folder) -> {name: path}``, which writes its data as files, and
    ``default_params``, the parameters of a call with their defaults. Anything else is taken for a scikit-learn
    estimator.

    Raises:
        ModelSignatureMissingError: the example gives no signature.
    """
    example = _without_nullable_integers(example)
    if not isinstance(model, PythonModel):
        signature = infer_signature(example, model.predict(example))
        _require(signature, name)
        # Our own training wrote it: skops, the default, refuses most tree models.
        logged: ModelInfo = mlflow.sklearn.log_model(
            model, name="model", signature=signature, input_example=example, serialization_format="cloudpickle",
            pip_requirements=_REQUIREMENTS,
        )  # fmt: skip
        return logged
    _pickle_by_value(type(model))
    params = getattr(model, "default_params", None)
    signature = infer_signature(example, model.predict(None, example, dict(params or {})), params=params)
    _require(signature, name)
    artifacts = model.artifacts(folder) if hasattr(model, "artifacts") else None
    logging.getLogger("mlflow.pyfunc").setLevel(logging.ERROR)  # it warns about type hints that we do not use
    info: ModelInfo = mlflow.pyfunc.log_model(
        name="model",
        python_model=model,
        artifacts=artifacts,
        signature=signature,
        input_example=example,
        pip_requirements=_REQUIREMENTS,
    )
    return info


def smoke_test(model_uri: str, name: str, version: str, example: pd.DataFrame) -> None:
    """Load what was saved and ask it its own example.

    Raises:
        ModelExampleFailedError: with what the model said.
    """
    try:
        mlflow.pyfunc.load_model(model_uri).predict(_without_nullable_integers(example))
    except Exception as error:
        raise ModelExampleFailedError(name=name, version=version, problem=f"{type(error).__name__}: {error}") from error


def _require(signature: Any, name: str) -> None:
    if signature is None or not signature.inputs:
        raise ModelSignatureMissingError(name=name, hint="Give an input example with named, typed columns.")


def _without_nullable_integers(example: pd.DataFrame) -> pd.DataFrame:
    """MLflow drops a signature silently when an integer column has missing values (mlflow#25593)."""
    nullable = [column for column in example if str(example[column].dtype) in {"Int64", "Int32", "object"}]
    missing = [column for column in nullable if example[column].isna().any() and _is_integer(example[column])]
    return example.astype(dict.fromkeys(missing, "float64"))


def _is_integer(column: "pd.Series[Any]") -> bool:
    return bool(pd.api.types.is_integer_dtype(column) or pd.api.types.infer_dtype(column, skipna=True) == "integer")


def _pickle_by_value(cls: type) -> None:
    """Two versions of one class in one process must stay different; the kernel's own classes are part of the server."""
    module = __import__(cls.__module__, fromlist=["_"])
    if not cls.__module__.startswith("sluice.") or cls.__module__.startswith("sluice.use_cases."):
        cloudpickle.register_pickle_by_value(module)
