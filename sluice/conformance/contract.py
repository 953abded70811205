"""What can be seen without running anything: the file, the names, the signatures, the contract."""

import inspect
from typing import Any

import pandera.polars as pa
from pydantic import BaseModel

from sluice.conformance.outcome import CheckFailedError
from sluice.conformance.trial import Trial
from sluice.use_case import STEPS, load_use_case

_ARGUMENTS = {
    "ingest": ("source", "params", "since"),
    "build_features": ("raw", "params", "compute"),
    "split": ("features", "params"),
    "train": ("train", "params", "compute"),
    "evaluate": ("model", "holdout", "params"),
    "search": ("train", "params", "compute"),
    "baseline": ("train", "params", "compute"),
    "example": ("train", "params"),
    "artifacts": ("model", "holdout", "params"),
    "online": ("features", "params"),
}


def loads(trial: Trial) -> str:
    """use_case.yaml and steps.py are there and can be read, under the name that the entry point has."""
    trial.use_case = load_use_case(trial.name)
    if trial.use_case.name != trial.name:
        raise CheckFailedError(
            problem=f"use_case.yaml says name: {trial.use_case.name}, the entry point {trial.name}",
            hint="Give both the same name, in use_case.yaml and in pyproject.toml, and install the package again",
        )
    trial.params = trial.use_case.params()
    return str(trial.use_case.folder)


def steps(trial: Trial) -> str:
    """The steps take what they are given."""
    found = [name for name in _ARGUMENTS if hasattr(trial.steps, name)]
    for name in found:
        step, wanted = getattr(trial.steps, name), ", ".join(_ARGUMENTS[name])
        if not callable(step):
            raise CheckFailedError(problem=f"{name} is no function", hint=f"Write: def {name}({wanted})")
        arguments = tuple(inspect.signature(step).parameters)
        if arguments != _ARGUMENTS[name]:
            problem = f"{name} takes ({', '.join(arguments)})"
            raise CheckFailedError(problem=problem, hint=f"Write: def {name}({wanted})")
    optional = [name for name in found if name not in STEPS]
    return f"{len(STEPS)} steps" + (f" and {', '.join(optional)}" if optional else "")


def params(trial: Trial) -> str:
    """Params refuses what it does not know, and survives the way to a worker as JSON."""
    params_type: Any = trial.steps.Params
    if not (inspect.isclass(params_type) and issubclass(params_type, BaseModel)):
        raise CheckFailedError(
            problem="Params is no pydantic model", hint='Write: class Params(BaseModel, extra="forbid")'
        )
    if params_type.model_config.get("extra") != "forbid":
        problem = "Params takes names that it does not have, so a typing error in use_case.yaml is not seen"
        raise CheckFailedError(problem=problem, hint='Write: class Params(BaseModel, extra="forbid")')
    again = params_type.model_validate(trial.params.model_dump(mode="json"))
    if again != trial.params:
        hint = "Use types that JSON has, or give the field a serializer and a validator that fit together"
        raise CheckFailedError(problem="Params written as JSON and read again are other ones", hint=hint)
    return f"{len(params_type.model_fields)} parameters"


def schema(trial: Trial) -> str:
    """Schema is a contract, and its KEY identifies a row."""
    contract, key = trial.steps.Schema, trial.steps.KEY
    if not (inspect.isclass(contract) and issubclass(contract, pa.DataFrameModel)):
        hint = "Write: class Schema(pandera.polars.DataFrameModel)"
        raise CheckFailedError(problem="Schema is no pandera model for Polars", hint=hint)
    columns = contract.to_schema().columns
    hint = 'Write the names of columns of Schema, such as KEY = ("id",)'
    if not key or isinstance(key, str) or not all(isinstance(name, str) for name in key):
        raise CheckFailedError(problem=f"KEY is {key!r}, not a tuple of column names", hint=hint)
    if unknown := [name for name in key if name not in columns]:
        raise CheckFailedError(problem=f"KEY has {', '.join(unknown)}, which Schema has not", hint=hint)
    if nullable := [name for name in key if columns[name].nullable]:
        problem = f"{', '.join(nullable)} may be null, and is in KEY: rows without one could not be told apart"
        raise CheckFailedError(problem=problem, hint="Take nullable=True away, or choose another KEY")
    for name in ("WATERMARK", "TIME"):
        if getattr(trial.steps, name, key[0]) not in columns:
            problem = f"{name} is {getattr(trial.steps, name)!r}, which Schema has not"
            raise CheckFailedError(problem=problem, hint="Name a column of Schema")
    return f"{len(columns)} columns, key {', '.join(key)}"
