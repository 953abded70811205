"""A model version that is ready to answer: loaded, checked and warm."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from mlflow.models import ModelSignature
from mlflow.pyfunc import PyFuncModel

from sluice.errors import (
    ModelExampleFailedError,
    ModelLoadFailedError,
    ModelSignatureMissingError,
)
from sluice.models import ModelRegistry, ModelVersion


@dataclass(frozen=True)
class ServedModel:
    """One version and since when this process answers with it (UTC, milliseconds)."""

    version: ModelVersion
    model: PyFuncModel
    signature: ModelSignature
    since: datetime

    @property
    def name(self) -> str:
        return self.version.name

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


@dataclass(frozen=True)
class LoadTimes:
    """Seconds that reading the model and its first prediction took."""

    load: float
    warm: float


def load(registry: ModelRegistry, version: ModelVersion) -> tuple[ServedModel, LoadTimes]:
    """Load a version and let it predict its own input example, which warms it too.

    Runs for seconds and blocks; the one that is serving goes on meanwhile.

    Raises:
        ModelLoadFailedError: it cannot be read or unpickled here.
        ModelSignatureMissingError: requests to it could not be checked.
        ModelExampleFailedError: it was read, and fails on its own example.
    """
    started = perf_counter()
    try:
        model = registry.load(version.name, version.version)
    except BaseException as error:  # unpickling runs the model's code, sys.exit and Rust panics too
        raise ModelLoadFailedError(name=version.name, version=version.version, problem=summary(error)) from error
    loaded = perf_counter()
    signature = model.metadata.signature
    if signature is None or signature.inputs is None:
        raise ModelSignatureMissingError(
            name=version.name, hint="Log it with signature= or input_example=, and register it again."
        )
    if model.input_example is not None:
        try:
            model.predict(model.input_example)
        except BaseException as error:  # as above
            raise ModelExampleFailedError(name=version.name, version=version.version, problem=summary(error)) from error
    served = ServedModel(version, model, signature, since=now())
    return served, LoadTimes(load=loaded - started, warm=perf_counter() - loaded)


def now() -> datetime:
    """The time as the document store keeps it: UTC, whole milliseconds."""
    time = datetime.now(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def summary(error: BaseException, limit: int = 500) -> str:
    """An exception in one short line. MLflow quotes whole inputs in its messages."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= limit else f"{text[:limit]}…"
