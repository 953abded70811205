"""A model comes of the rows, survives being saved, and is measured by what the gate asks for."""

import logging
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import MetaPathFinder
from typing import Any

import cloudpickle
import mlflow
import numpy as np
import pandas as pd

from sluice.conformance.outcome import CheckFailedError
from sluice.conformance.trial import Trial
from sluice.model_flavour import ask, quiet, save_model

_ASKED = 300  # rows
_BARS = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"


def search(trial: Trial) -> str:
    """search gives parameters."""
    if not hasattr(trial.steps, "search"):
        return "steps.py has no search"
    chosen = trial.steps.search(trial.parts[0], trial.params, trial.compute())
    if not isinstance(chosen, trial.steps.Params):
        hint = "Return params.model_copy(update={…})"
        raise CheckFailedError(problem=f"search gives {type(chosen).__name__}, not Params", hint=hint)
    trial.params = chosen
    return "chose parameters"


def train(trial: Trial) -> str:
    """A model of the training rows; the example is what a caller sends."""
    trial.model = _travelled(trial, trial.steps.train(trial.parts[0], trial.params, trial.compute()))
    if not hasattr(trial.model, "predict"):
        problem = f"train gives {type(trial.model).__name__}, which has no predict"
        raise CheckFailedError(problem=problem, hint="Return an estimator, or an MLflow PythonModel")
    trial.example = (
        trial.steps.example(trial.parts[0], trial.params)
        if hasattr(trial.steps, "example")
        else trial.parts[0].scan().head(5).collect().to_pandas()
    )
    trial.asked = _asked(trial)
    return f"{type(trial.model).__name__} of {trial.parts[0].rows:,} rows"


def reproducible(trial: Trial) -> str:
    """The same rows, parameters and seed give a model that answers the same."""
    again = trial.steps.train(trial.parts[0], trial.params, trial.compute())
    if not _agree(ask(trial.model, trial.asked), ask(again, trial.asked)):
        hint = "Take every seed from Params, and sort the rows: their order is not part of a version"
        raise CheckFailedError(problem="a second training on the same rows answers something else", hint=hint)
    return "a second training answers the same"


def saved(trial: Trial) -> str:
    """Saved by MLflow and loaded where the package is not installed, the model answers as before."""
    expected = ask(trial.model, trial.asked)
    path = save_model(trial.model, trial.name, trial.example, trial.folder)
    try:
        with quiet(), hidden(trial.use_case.package):
            trial.loaded = mlflow.pyfunc.load_model(str(path))
            answer = trial.loaded.predict(trial.asked)
    except ModuleNotFoundError as error:
        raise CheckFailedError(
            problem=f"the saved model asks for {error.name}, which a service does not have",
            hint="Keep to classes of libraries and of Sluice, or define the model's class in steps.py",
        ) from error
    if not _agree(expected, answer):
        hint = "Look at what the model keeps outside of its attributes, or at its artifacts and load_context"
        raise CheckFailedError(problem="the saved model answers something else than the trained one", hint=hint)
    flavours = ", ".join(name for name in trial.loaded.metadata.flavors if name != "python_function") or "pyfunc"
    return f"{flavours}, {len(trial.asked)} rows answered as before"


def evaluate(trial: Trial) -> str:
    """evaluate measures at least what promote_if names, in numbers."""
    scores = trial.steps.evaluate(trial.loaded, trial.parts[1], trial.params)
    if not isinstance(scores, dict):
        problem = f"evaluate gives {type(scores).__name__}"
        raise CheckFailedError(problem=problem, hint="Return a dict of floats by metric")
    wanted = list(trial.use_case.config.promote_if)
    if missing := [name for name in wanted if name not in scores]:
        raise CheckFailedError(
            problem=f"promote_if names {', '.join(missing)}, and evaluate measures {', '.join(scores) or 'nothing'}",
            hint="Use the same names in use_case.yaml and in evaluate: a metric that is not measured fails the gate",
        )
    for name, value in scores.items():
        if not isinstance(value, int | float | np.number) or not math.isfinite(value):
            hint = "Return finite floats; where a metric has no value, leave it out"
            raise CheckFailedError(problem=f"{name} is {value!r}", hint=hint)
    if hasattr(trial.steps, "baseline"):
        simple = trial.steps.baseline(trial.parts[0], trial.params, trial.compute())
        baseline = trial.steps.evaluate(simple, trial.parts[1], trial.params)
        return ", ".join(f"{name} {scores[name]:.3g} (baseline {baseline[name]:.3g})" for name in wanted)
    return ", ".join(f"{name} {scores[name]:.3g}" for name in wanted)


def _asked(trial: Trial) -> pd.DataFrame:
    """The example, and more rows of its kind where the features have its columns."""
    names = [str(name) for name in trial.example.columns]
    if not set(names) <= set(trial.parts[0].schema):
        return trial.example
    more = trial.parts[0].scan().select(names).drop_nulls().head(_ASKED).collect().to_pandas()
    return pd.concat([trial.example, more.astype(trial.example.dtypes)], ignore_index=True)


def _travelled(trial: Trial, model: Any) -> Any:
    """The model as it comes out of the file in which it goes from one task of ``train`` to the next."""
    package = import_module(trial.use_case.package)
    if not trial.use_case.package.startswith("sluice."):
        cloudpickle.register_pickle_by_value(package)
    staging = trial.lake.staging(f"models/{trial.name}")
    try:
        return staging.load(staging.save(model, "fit"))
    finally:
        if package.__name__ in cloudpickle.list_registry_pickle_by_value():
            cloudpickle.unregister_pickle_by_value(package)


def _agree(one: Any, other: Any) -> bool:
    """Equal but for rounding; answers are arrays, series or frames, of numbers, text or lists."""
    first, second = (_columns(answer) for answer in (one, other))
    if first.keys() != second.keys():
        return False
    return all(_same(first[name], second[name]) for name in first)


def _columns(answer: Any) -> dict[Any, Any]:
    if isinstance(answer, pd.DataFrame):
        return {name: answer[name].tolist() for name in answer}
    return {0: np.asarray(answer).squeeze().tolist()}


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, float) or isinstance(other, float):
        return bool(np.isclose(one, other, rtol=1e-5, atol=1e-7, equal_nan=True))
    return bool(one == other)


@contextmanager
def hidden(package: str) -> Iterator[None]:
    """As if the package were not installed."""
    mine = [name for name in sys.modules if name == package or name.startswith(f"{package}.")]
    kept = {name: sys.modules.pop(name) for name in mine}
    finder: Any = _Hides(package)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        sys.modules.update(kept)


class _Hides(MetaPathFinder):
    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        if fullname == self._package or fullname.startswith(f"{self._package}."):
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


@contextmanager
def silent() -> Iterator[None]:
    """Without MLflow's bars, and its remarks on what it saves, which are about nobody's use case."""
    logger, bars = logging.getLogger("mlflow"), os.environ.get(_BARS)
    level = logger.level
    logger.setLevel(logging.ERROR)
    os.environ[_BARS] = "false"
    try:
        yield
    finally:
        logger.setLevel(level)
        os.environ.pop(_BARS) if bars is None else os.environ.update({_BARS: bars})
