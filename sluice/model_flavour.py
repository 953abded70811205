"""How a trained object becomes an MLflow model: which flavour, with which signature, and whether it answers."""

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cloudpickle
import mlflow
import pandas as pd
from mlflow.models import ModelSignature, infer_signature
from mlflow.models.model import ModelInfo
from mlflow.pyfunc import PythonModel
from mlflow.types.schema import AnyType

from sluice.errors import ModelExampleFailedError, ModelSignatureMissingError
from sluice.library_flavours import ARGUMENT, ask_saved, ask_unsaved, flavour, library_of, served_form

# Modules, and the packages they come in, whose version decides whether a model can be read again.
_LIBRARIES = {
    **dict.fromkeys(("mlflow", "numpy", "pandas", "scipy", "xgboost", "lightgbm")),
    "sklearn": "scikit-learn",
}
# What MLflow warns about while it logs a model that is as we want it, by logger.
_EXPECTED = {
    "mlflow.sklearn": "Saving scikit-learn models in the pickle",  # our own training wrote it, see `log_model`
    "mlflow.utils.environment": "Failed to resolve installed pip version",  # uv's environments have no pip
}


def _requirements() -> list[str]:
    """What this process has loaded of them. MLflow would infer it by running the model in a fresh process for 12 s."""
    loaded = {package or module: sys.modules[module] for module, package in _LIBRARIES.items() if module in sys.modules}
    return sorted(f"{package}=={module.__version__}" for package, module in loaded.items())


def log_model(model: Any, name: str, example: pd.DataFrame, folder: Path) -> ModelInfo:
    """Log into the active run.

    A `PythonModel` may have ``artifacts(folder) -> {name: path}``, which writes its data as files, and
    ``default_params``, the parameters of a call with their defaults. A model of XGBoost, LightGBM or Keras is saved in
    that library's format. Anything else is taken for a scikit-learn estimator.

    Raises:
        ModelSignatureMissingError: the example gives no signature.
        ModelExampleFailedError: the model does not answer its example.
    """
    model = served_form(model)
    with quiet(), _pickled_by_value(type(model)):
        module, options = _how(model, name, example, folder)
        logged: ModelInfo = module.log_model(name="model", **options)
        return logged


def save_model(model: Any, name: str, example: pd.DataFrame, folder: Path) -> Path:
    """Like `log_model`, into a subfolder of ``folder`` and no run: what was saved is a model of MLflow all the same."""
    model = served_form(model)
    with quiet(), _pickled_by_value(type(model)):
        module, options = _how(model, name, example, folder)
        module.save_model(path=str(folder / "model"), **options)
    return folder / "model"


def ask(model: Any, rows: pd.DataFrame) -> Any:
    """What a trained object answers before it is saved, with the defaults of its parameters."""
    model = served_form(model)
    if isinstance(model, PythonModel):
        return model.predict(None, rows, dict(getattr(model, "default_params", None) or {}))
    return ask_unsaved(model, rows)


def _how(model: Any, name: str, example: pd.DataFrame, folder: Path) -> tuple[Any, dict[str, Any]]:
    """The flavour's module, and what its ``log_model`` and ``save_model`` are given."""
    example = _without_nullable_integers(example)
    library = library_of(model)
    if library is None:
        answer = _answer(name, "(not saved yet)", ask, model, example)
    else:
        # Not every library's own answer is what MLflow makes of it.
        answer = _answer(name, "(not saved yet)", ask_saved, model, library, example)
    params = dict(getattr(model, "default_params", None) or {}) if isinstance(model, PythonModel) else None
    signature = _signature(name, example, answer, params)
    options = {"signature": signature, "input_example": example, "pip_requirements": _requirements()}
    if isinstance(model, PythonModel):
        artifacts = model.artifacts(folder) if hasattr(model, "artifacts") else None
        return mlflow.pyfunc, {**options, "python_model": model, "artifacts": artifacts}
    if library is not None:
        return flavour(library), {**options, ARGUMENT[library]: model}
    # Our own training wrote it: skops, the default, refuses most tree models.
    return mlflow.sklearn, {**options, "sk_model": model, "serialization_format": "cloudpickle"}


def smoke_test(model_uri: str, name: str, version: str, example: pd.DataFrame) -> None:
    """Load what was saved and ask it its own example.

    Raises:
        ModelSignatureMissingError: MLflow did not save the signature.
        ModelExampleFailedError: with what the model said.
    """
    with quiet():
        saved = _answer(name, version, mlflow.pyfunc.load_model, model_uri)
        _require(name, saved.metadata.signature)
        _answer(name, version, saved.predict, _without_nullable_integers(example))


def _answer(name: str, version: str, ask: Any, *args: Any) -> Any:
    try:
        return ask(*args)
    except Exception as error:
        raise ModelExampleFailedError(name=name, version=version, problem=f"{type(error).__name__}: {error}") from error


def _signature(name: str, example: pd.DataFrame, answer: Any, params: dict[str, Any] | None) -> ModelSignature:
    return _require(name, infer_signature(example, answer, params=params or None))


def _require(name: str, signature: ModelSignature | None) -> ModelSignature:
    hint = "Give an input example with named, typed columns."
    if signature is None or not signature.inputs:
        raise ModelSignatureMissingError(name=name, hint=hint)
    # Where MLflow cannot tell, it writes a signature that anything fits.
    untyped = [column.name for column in signature.inputs if isinstance(column.type, AnyType)]
    if untyped:
        columns = ", ".join(repr(column) for column in untyped if column)
        hint += f" Nothing but missing values is in {columns}." if columns else " It has no columns."
        raise ModelSignatureMissingError(name=name, hint=hint)
    return signature


def _without_nullable_integers(example: pd.DataFrame) -> pd.DataFrame:
    """MLflow drops a signature silently when an integer column has missing values (mlflow#25593)."""
    missing = [column for column in example if example[column].isna().any() and _is_integer(example[column])]
    return example.astype(dict.fromkeys(missing, "float64"))


def _is_integer(column: "pd.Series[Any]") -> bool:
    return bool(pd.api.types.is_integer_dtype(column) or pd.api.types.infer_dtype(column, skipna=True) == "integer")


@contextmanager
def _pickled_by_value(cls: type) -> Iterator[None]:
    """Two versions of one class in one process must stay different, and serving has no use case installed.

    The kernel's own classes are part of the server, so they go by name.
    """
    # With the package, for what the class calls in the modules beside its own.
    package = cls.__module__.rpartition(".")[0] or cls.__module__
    module = sys.modules.get(package)  # none for a class that was unpickled by value, and is not imported here
    library = not issubclass(cls, PythonModel)
    kernel = f"{package}.".startswith("sluice.") and not package.startswith("sluice.use_cases.")
    if module is None or library or kernel or package in cloudpickle.list_registry_pickle_by_value():
        yield
        return
    cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(module)


@contextmanager
def quiet() -> Iterator[None]:
    """MLflow without the warnings that are expected here; any other is heard."""

    def unexpected(record: logging.LogRecord) -> bool:
        return not record.getMessage().lstrip().startswith(_EXPECTED.get(record.name, "\0"))

    loggers = [logging.getLogger(name) for name in _EXPECTED]
    for each in loggers:
        each.addFilter(unexpected)
    try:
        with warnings.catch_warnings():
            # A column of ids or counts is an integer column on purpose; `_without_nullable_integers` has the others.
            warnings.filterwarnings("ignore", "Hint: Inferred schema contains integer column", UserWarning)
            # MLflow compares with a range, which pandas 4 is going to read otherwise: MLflow's to mend.
            warnings.filterwarnings("ignore", "Operation with range is deprecated", module=r"mlflow\.")
            # Of Keras' weights, which NumPy 2 reads in another way: Keras' to mend.
            warnings.filterwarnings("ignore", "__array__ implementation doesn't accept a copy", DeprecationWarning)
            yield
    finally:
        for each in loggers:
            each.removeFilter(unexpected)
