"""Runs predictions: short ones where they are, others in threads, so that a slow one holds up no health check."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from http import HTTPStatus
from time import perf_counter
from typing import Any, TypeVar

from mlflow.exceptions import MlflowException

from observability.asgi import in_trace
from serving.answer_value import first_value
from serving.metrics import ServingMetrics
from serving.row_schema import Matrix
from serving.served import ServedModel
from sluice.errors import SluiceError
from sluice.request_errors import DeadlineExceededError

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

    async def bounded(self, work: Callable[[], R], seconds: float) -> R:
        """Run it in a thread. Parsing, prediction and encoding of a request belong in one call: one hop, one thread.

        Raises:
            DeadlineExceededError: the answer came too late; what computes it ends by itself.
        """
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.get_running_loop().run_in_executor(self._executor, in_trace(work))
        except TimeoutError:
            raise DeadlineExceededError(seconds=seconds) from None

    async def matrix(self, served: ServedModel, matrix: Matrix, seconds: float) -> Any:
        """The answer of a version that has a runner.

        Raises:
            ModelRaisedError: with whatever the model raised.
            DeadlineExceededError: as in `bounded`.
        """
        runner = served.runner
        assert runner is not None
        started = perf_counter()
        try:
            if runner.mode == "inline":  # which takes less time than setting a timer; see `Runner`
                answer = await runner.predict(matrix)
            else:
                async with asyncio.timeout(seconds):
                    answer = await runner.predict(matrix)
        except TimeoutError:
            raise DeadlineExceededError(seconds=seconds) from None
        except Exception as error:
            raise ModelRaisedError(error) from error
        self._observe(served, perf_counter() - started, answer)
        return answer

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
        self._observe(served, perf_counter() - started, prediction)
        return prediction

    def timed(self, served: ServedModel, ask: Callable[[], R]) -> R:
        """Ask one of our own recommenders in the calling thread; its answer is no number."""
        started = perf_counter()
        answer = ask()
        self._metrics.of(served).duration.observe(perf_counter() - started)
        return answer

    def failed(self, served: ServedModel) -> None:
        """Count an input that fitted the signature and that the model raised on."""
        self._metrics.prediction_failures.labels(served.name, served.version.version).inc()

    def fell_back(self, served: ServedModel) -> None:
        """Count an answer with popular items, to somebody whom the model does not know."""
        self._metrics.of(served).fallbacks.inc()

    def _observe(self, served: ServedModel, seconds: float, answer: Any) -> None:
        metrics = self._metrics.of(served)
        metrics.duration.observe(seconds)
        value = first_value(answer)
        if value is not None:
            metrics.value.observe(value)
