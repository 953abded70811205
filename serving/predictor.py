"""Runs predictions in threads, so that a slow one holds up no health check, and times them."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from http import HTTPStatus
from time import perf_counter
from typing import Any, TypeVar

from mlflow.exceptions import MlflowException

from serving.metrics import ServingMetrics
from serving.served import ServedModel
from sluice.errors import SluiceError

R = TypeVar("R")


class ModelRaisedError(Exception):
    """What a model or MLflow's check of its input raised, to be judged by who asked."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause

    @property
    def blames_input(self) -> bool:
        """Whether the input does not fit, by MLflow's check or by the model's own; else the model failed."""
        if isinstance(self.cause, SluiceError):
            return self.cause.status < HTTPStatus.INTERNAL_SERVER_ERROR
        return isinstance(self.cause, MlflowException)


class Predictor:
    def __init__(self, executor: Executor, metrics: ServingMetrics) -> None:
        self._executor = executor
        self._metrics = metrics

    async def run(self, work: Callable[[], R]) -> R:
        """Parsing, prediction and encoding of a request belong in one call: one hop, one thread."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def predict(self, served: ServedModel, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Predict in the calling thread.

        Raises:
            ModelRaisedError: with whatever the model or the check of its input raised.
        """
        started = perf_counter()
        try:
            prediction = served.predict(data, params)
        except BaseException as error:  # sys.exit in a model, or a panic in its Rust, ends one request only
            raise ModelRaisedError(error) from error
        duration = self._metrics.prediction_duration.labels(served.name, served.version.version)
        duration.observe(perf_counter() - started)
        return prediction

    def failed(self, served: ServedModel) -> None:
        """Count an input that fitted the signature and that the model raised on."""
        self._metrics.prediction_failures.labels(served.name, served.version.version).inc()
