"""A model version that is ready to answer: loaded, checked and warm."""

import os
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import quote

import mlflow
import orjson
from loguru import logger
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.pyfunc import PyFuncModel
from pydantic import ValidationError

from serving.engine import Engine, choose
from serving.memory import resident
from serving.row_schema import RowSchema
from serving.runner import Runner
from sluice.compiled import load_compiled
from sluice.errors import (
    ModelExampleFailedError,
    ModelLoadFailedError,
    ModelSignatureMissingError,
)
from sluice.model_flavour import quiet
from sluice.models import ModelRegistry, ModelVersion
from sluice.recommenders.model import RecommenderModel
from sluice.serving_policy import TAG, Serving

MODEL_HEADER = "X-Sluice-Model"
VERSION_HEADER = "X-Sluice-Model-Version"
# As MLflow's own server says it: times and bytes of a model's type hints are read from the text that JSON has.
os.environ.setdefault("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", "true")


@dataclass(frozen=True, eq=False)
class ServedModel:
    """One version and since when this process answers with it (UTC, milliseconds).

    Attributes:
        rows: how numbers in JSON become its input without pandas; None where the signature has more than numbers.
        runner: how matrices are answered; None where ``rows`` is.
        policy: what its use case says about serving.
        folder: its files on this machine.
        size: bytes of memory it took, about.
    """

    version: ModelVersion
    model: PyFuncModel
    signature: ModelSignature
    since: datetime
    folder: Path
    rows: RowSchema | None = None
    runner: Runner | None = None
    policy: Serving = field(default_factory=Serving)
    size: int = 0

    @property
    def name(self) -> str:
        return self.version.name

    @cached_property
    def key(self) -> tuple[str, str]:
        """Name and version, as the metrics label them."""
        return self.name, self.version.version

    @cached_property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Who answers, for protocols whose body has no room for it."""
        return (
            (MODEL_HEADER.lower().encode(), quote(self.name).encode()),
            (VERSION_HEADER.lower().encode(), quote(self.version.version).encode()),
        )

    @property
    def how(self) -> str:
        """How it is computed, for a log line."""
        if self.runner is None:
            return "on data frames"
        return f"{self.runner.engine.kind}, {self.runner.mode}"

    @cached_property
    def told(self) -> bytes:
        """The same inside a JSON object."""
        return orjson.dumps({"model": self.name, "version": self.version.version})[1:-1]

    @cached_property
    def recommender(self) -> RecommenderModel | None:
        """The model itself where it is one of our recommenders."""
        try:
            model = self.model.unwrap_python_model()
        except MlflowException:  # it is no Python model
            return None
        return model if isinstance(model, RecommenderModel) else None

    @cached_property
    def user_type(self) -> Any:
        """The type of a recommender's only column; None where it has others."""
        inputs = self.signature.inputs
        return None if inputs.is_tensor_spec() or inputs.input_names() != ["user_id"] else inputs.input_types()[0]

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """The model's own answer, after MLflow has held the input against the signature.

        Raises:
            MlflowException: the input does not fit the signature.
            Exception: whatever the model raises.
        """
        return self.model.predict(data, params=dict(params) if params else None)

    def accepts(self, param: str) -> bool:
        """Whether the signature declares this parameter; MLflow warns at each call for others."""
        schema = self.signature.params
        return schema is not None and any(known.name == param for known in schema)

    def with_engine(self, engine: Engine, executor: Executor) -> "ServedModel":
        """The same version, computed in another way."""
        return replace(self, runner=Runner(engine, executor, self.policy.batching))


@dataclass(frozen=True)
class LoadTimes:
    """Seconds that reading the model and its first prediction took."""

    load: float
    warm: float


def load(registry: ModelRegistry, version: ModelVersion, executor: Executor) -> tuple[ServedModel, LoadTimes]:
    """Load a version and let it predict its own input example, which warms it too.

    Runs for seconds and blocks; the one that is serving goes on meanwhile.

    Raises:
        ModelLoadFailedError: it cannot be read or unpickled here.
        ModelSignatureMissingError: requests to it could not be checked.
        ModelExampleFailedError: it was read, and fails on its own example.
    """
    started, before = perf_counter(), resident()
    try:
        folder = registry.files(version)
        with quiet():
            model = mlflow.pyfunc.load_model(str(folder))
    except BaseException as error:  # unpickling runs the model's code, sys.exit and Rust panics too
        raise ModelLoadFailedError(name=version.name, version=version.version, problem=summary(error)) from error
    loaded = perf_counter()
    signature = model.metadata.signature
    if signature is None or signature.inputs is None:
        raise ModelSignatureMissingError(
            name=version.name, hint="Log it with signature= or input_example=, and register it again."
        )
    rows, policy = RowSchema.of(signature), _policy(version)
    try:
        if model.input_example is not None:
            model.predict(model.input_example)
        runner = Runner(choose(model, rows, load_compiled(folder)), executor, policy.batching) if rows else None
    except BaseException as error:  # as above
        raise ModelExampleFailedError(name=version.name, version=version.version, problem=summary(error)) from error
    size = max(resident() - before, sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()))
    served = ServedModel(version, model, signature, now(), folder, rows, runner, policy, size)
    return served, LoadTimes(load=loaded - started, warm=perf_counter() - loaded)


def _policy(version: ModelVersion) -> Serving:
    try:
        return Serving.model_validate_json(version.tags.get(TAG, "{}"))
    except ValidationError as error:
        logger.warning("The tag {} of {} {} is not used: {}", TAG, version.name, version.version, error)
        return Serving()


def now() -> datetime:
    """The time as the document store keeps it: UTC, whole milliseconds."""
    time = datetime.now(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def summary(error: BaseException, limit: int = 500) -> str:
    """An exception in one short line. MLflow quotes whole inputs in its messages."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= limit else f"{text[:limit]}…"
