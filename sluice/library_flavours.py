"""Models of libraries that MLflow has a flavour of its own for: saved in the library's format, not as a pickle."""

import importlib
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow
import pandas as pd

# What MLflow calls the model in each library's ``log_model``.
ARGUMENT = {"xgboost": "xgb_model", "lightgbm": "lgb_model"}


def library_of(model: Any) -> str | None:
    """One of `ARGUMENT`, if the model's class is from it. A pipeline of scikit-learn around it is scikit-learn's."""
    return next((name for name in _origins(model) if name in ARGUMENT), None)


def served_form(model: Any) -> Any:
    """A Keras model as a `KerasModel`; any other as it is."""
    if "keras" not in _origins(model):
        return model
    from sluice.keras_model import KerasModel

    return KerasModel(model)


def _origins(model: Any) -> list[str]:
    return [cls.__module__.partition(".")[0] for cls in type(model).__mro__]


def flavour(library: str) -> ModuleType:
    """MLflow's module for the library."""
    return importlib.import_module(f"mlflow.{library}")


def ask_unsaved(model: Any, rows: pd.DataFrame) -> Any:
    """What the model answers before it is saved, shape (rows,) or (rows, outputs)."""
    if library_of(model) == "xgboost" and hasattr(model, "inplace_predict"):
        return model.predict(importlib.import_module("xgboost").DMatrix(rows))
    return model.predict(rows)


def ask_saved(model: Any, library: str, rows: pd.DataFrame) -> Any:
    """What the model answers through MLflow: its signature follows from this, and not every library's own answer."""
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "model"
        flavour(library).save_model(model, str(saved), pip_requirements=[])
        return mlflow.pyfunc.load_model(str(saved)).predict(rows)
