"""Models of libraries that MLflow has a flavour of its own for: saved in the library's format, not as a pickle."""

import importlib
import importlib.metadata
import os
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow
import pandas as pd

# What MLflow calls the model in each library's ``log_model``.
ARGUMENT = {"xgboost": "xgb_model", "lightgbm": "lgb_model", "keras": "model"}
# Keras reads it once, when it is imported, and without it asks for TensorFlow. The extra `keras` brings JAX.
if find_spec("tensorflow") is None and "keras" not in sys.modules:
    os.environ.setdefault("KERAS_BACKEND", "jax")


def library_of(model: Any) -> str | None:
    """The library whose flavour ``model`` is to be saved with; None for anything that is not of one of `ARGUMENT`.

    A pipeline of scikit-learn around such a model is scikit-learn's.
    """
    names = (cls.__module__.partition(".")[0] for cls in type(model).__mro__)
    return next((name for name in names if name in ARGUMENT), None)


def flavour(library: str) -> ModuleType:
    """MLflow's module for the library."""
    return importlib.import_module(f"mlflow.{library}")


def requirement(library: str) -> str:
    """The installed version, whichever distribution it came in (there is ``xgboost-cpu`` too)."""
    distribution = importlib.metadata.packages_distributions()[library][0]
    return f"{distribution}=={importlib.metadata.version(distribution)}"


def ask(model: Any, rows: pd.DataFrame) -> Any:
    """What the model answers before it is saved, shape (rows,) or (rows, outputs)."""
    library = library_of(model)
    if library == "keras":
        return model.predict(rows.to_numpy(), verbose=0)
    if library == "xgboost" and hasattr(model, "inplace_predict"):
        import xgboost

        return model.predict(xgboost.DMatrix(rows))
    return model.predict(rows)


def ask_saved(model: Any, library: str, rows: pd.DataFrame) -> Any:
    """What the model answers through MLflow: its signature follows from this, and not every library's own answer."""
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "model"
        flavour(library).save_model(model, str(saved), pip_requirements=[])
        return mlflow.pyfunc.load_model(str(saved)).predict(rows)
