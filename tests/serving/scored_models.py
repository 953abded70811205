"""Models that MLflow's own scoring server and ours are compared on: one for each kind of signature."""

import base64
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.pyfunc import PythonModel
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import Array, Map, Object, Property
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression

from serving.compiler import REFUSED
from sluice.compiled import compile_model

RANDOM = np.random.default_rng(7)
# A name with a space and one beyond ASCII: both are legal, and both travel in bodies and messages.
DOUBLES = pd.DataFrame(RANDOM.normal(size=(200, 4)), columns=["a", "b", "c d", "größe"])
WHOLE = pd.DataFrame(
    {
        "integer": RANDOM.integers(-9, 9, 200).astype(np.int32),
        "long": RANDOM.integers(-99, 99, 200),
        "float": RANDOM.normal(size=200).astype(np.float32),
    }
)
TARGET = DOUBLES["a"] * 3 + DOUBLES["b"] ** 2
MIXED = Schema(
    [
        ColSpec("long", "n"),
        ColSpec("double", "x"),
        ColSpec("string", "text"),
        ColSpec("boolean", "flag"),
        ColSpec("datetime", "at"),
        ColSpec("double", "maybe", required=False),
        ColSpec("string", "note", required=False),
    ]
)
PARAMS = ParamSchema(
    [
        ParamSpec("k", "long", 3),
        ParamSpec("scale", "double", 1.5),
        ParamSpec("word", "string", "a"),
        ParamSpec("deep", "boolean", False),
        ParamSpec("list", "long", [1, 2], shape=(-1,)),
    ]
)
NESTED = Schema(
    [
        ColSpec(Array("double"), "list"),
        ColSpec(Object([Property("x", "long"), Property("y", "string", required=False)]), "object"),
        ColSpec(Map("long"), "map"),
        ColSpec("binary", "raw"),
    ]
)
TENSORS = Schema([TensorSpec(np.dtype(np.float32), (-1, 2, 2), "image"), TensorSpec(np.dtype(np.int64), (-1,), "n")])


class Echo(PythonModel):
    """Tells what reached it, value by value with its type, so that two servers cannot differ unseen."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
        told = {name: _told(params[name]) for name in sorted(params or {})} if params else {}
        if isinstance(model_input, pd.DataFrame):
            columns = {str(name): [_told(value) for value in model_input[name]] for name in model_input.columns}
            types = {str(name): str(model_input[name].dtype) for name in model_input.columns}
            return [{"columns": columns, "types": types, "params": told}]
        return [{"tensors": {name: _told(model_input[name]) for name in sorted(model_input)}, "params": told}]


class Lengths(PythonModel):
    """Its signature comes from its type hint, as MLflow advises authors."""

    def predict(self, model_input: list[str]) -> list[int]:
        return [len(text) for text in model_input]


def _told(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.tolist()}"
    return f"{type(value).__name__} {value!r}"


def _sklearn(estimator: Any, signature: ModelSignature, example: Any) -> Callable[[Path], None]:
    def save(folder: Path) -> None:
        mlflow.sklearn.save_model(
            estimator,
            str(folder),
            signature=signature,
            input_example=example,
            serialization_format=mlflow.sklearn.SERIALIZATION_FORMAT_CLOUDPICKLE,
            pip_requirements=["scikit-learn"],
        )

    return save


def _pyfunc(model: PythonModel, signature: ModelSignature | None, example: Any = None) -> Callable[[Path], None]:
    def save(folder: Path) -> None:
        options = {"signature": signature} if signature else {}
        mlflow.pyfunc.save_model(
            str(folder), python_model=model, input_example=example, pip_requirements=["mlflow"], **options
        )

    return save


def _columns(schema: str, frame: pd.DataFrame) -> ModelSignature:
    return ModelSignature(Schema([ColSpec(kind, str(name)) for kind, name in zip(schema.split(), frame, strict=True)]))


_TENSOR = ModelSignature(Schema([TensorSpec(np.dtype(np.float64), (-1, 4))]))
_MODELS = {
    "doubles": lambda: _sklearn(
        RandomForestRegressor(10, max_depth=5, random_state=0).fit(DOUBLES, TARGET),
        _columns("double double double double", DOUBLES),
        DOUBLES[:5],
    ),
    "tensor": lambda: _sklearn(LinearRegression().fit(DOUBLES.to_numpy(), TARGET), _TENSOR, DOUBLES[:5].to_numpy()),
    "whole": lambda: _sklearn(LinearRegression().fit(WHOLE, TARGET), _columns("integer long float", WHOLE), WHOLE[:5]),
    "mixed": lambda: _pyfunc(Echo(), ModelSignature(MIXED, params=PARAMS)),
    "nested": lambda: _pyfunc(Echo(), ModelSignature(NESTED)),
    "tensors": lambda: _pyfunc(Echo(), ModelSignature(TENSORS)),
    "hinted": lambda: _pyfunc(Lengths(), None, ["one", "three"]),
}
COMPILED = ("doubles", "tensor", "whole")
# The same model as it is, for ours has two ways to answer it.
TWINS = {f"{name}-as-it-is": name for name in COMPILED}
NAMES = (*_MODELS, *TWINS)


def save_all(root: Path) -> dict[str, Path]:
    """Folders by name. Those that compile are there twice: compiled, and to be left as they are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow advises authors of models
        for name, made in _MODELS.items():
            made()(root / name)
    for twin, name in TWINS.items():
        shutil.copytree(root / name, root / twin)
        (root / twin / REFUSED).write_text("it is the twin of one that is")
        compile_model(root / name)
    return {name: root / name for name in NAMES}


def encoded(raw: bytes) -> str:
    """A binary column's value, as the protocol has it."""
    return base64.encodebytes(raw).decode()
