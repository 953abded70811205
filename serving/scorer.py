"""From a model's input to its answer in JSON, whatever protocol asks: timed, bounded, given an id and logged."""

from collections.abc import Callable, Mapping
from time import perf_counter, time
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd
from loguru import logger
from opentelemetry import trace

from serving import invocations
from serving.exchange import Call
from serving.invocations import Asked
from serving.prediction_lines import Prediction
from serving.prediction_log import PredictionLog
from serving.predictor import ModelRaisedError, Predictor
from serving.row_schema import Matrix
from serving.served import ServedModel
from sluice.errors import PredictionFailedError
from sluice.request_errors import TooManyRowsError

R = TypeVar("R")
# A body up to this size is read on the event loop, where it is done in the time that handing it over takes.
QUICK_BYTES = 64 * 1024


class Scored(NamedTuple):
    """``predictions`` is JSON: a list with an entry a row, or what the model gives instead.

    ``plain``: they were asked for without a form, and go without one.
    """

    id: str
    predictions: bytes
    plain: bool = False


class Scorer:
    """Args:
    rows: the most that a request may have.
    seconds: the longest that a request may take.
    """

    def __init__(self, predictor: Predictor, log: PredictionLog, rows: int, seconds: float) -> None:
        self._predictor, self._log = predictor, log
        self._most_rows, self._seconds = rows, seconds

    async def score(self, served: ServedModel, call: Call, read: Callable[[bytes], Asked]) -> Scored:
        """Answer a body in one of the scoring protocol's forms. ``read`` finds the form in it.

        Raises:
            PayloadInvalidError: the body cannot be read, or does not fit the model.
            TooManyRowsError, DeadlineExceededError: it is more than a request may ask for.
        """
        started = perf_counter()
        if served.runner is not None and len(call.body) <= QUICK_BYTES:
            asked = read(call.body)
            matrix = self._matrix(served, asked)
            if matrix is None:
                return await self._in_thread(served, call, started, lambda: asked)
            try:
                output = await self.matrix(served, matrix)
            except ModelRaisedError:  # whose fault it is shows when MLflow looks at the input first
                return await self._in_thread(served, call, started, lambda: asked)
            return self._done(served, call, started, served.rows.names if served.rows else (), matrix, output)
        return await self._in_thread(served, call, started, lambda: read(call.body))

    async def matrix(self, served: ServedModel, matrix: Matrix) -> Any:
        """The answer of a version that has a runner; see `Predictor.matrix`."""
        return await self._predictor.matrix(served, matrix, self._seconds)

    def predict(self, served: ServedModel, data: Any, params: Mapping[str, Any] | None) -> Any:
        """Predict in the calling thread.

        Raises:
            ModelRaisedError: with whatever the model or the check of its input raised.
        """
        return self._predictor.predict(served, data, params)

    def timed(self, served: ServedModel, ask: Callable[[], R]) -> R:
        """Ask one of our own recommenders; see `Predictor.timed`."""
        return self._predictor.timed(served, ask)

    async def bounded(self, work: Callable[[], R]) -> R:
        """Run it in a thread, no longer than a request may take."""
        return await self._predictor.bounded(work, self._seconds)

    def note_failure(self, served: ServedModel, error: BaseException) -> None:
        """Count and log an input that fitted the signature and that the model raised on."""
        self._predictor.failed(served)
        version = served.version.version
        logger.bind(model=served.name, model_version=version).opt(exception=error).warning(
            "{} {} raised on an input that fits its signature.", served.name, version
        )

    def fell_back(self, served: ServedModel) -> None:
        """Count an answer with popular items, to somebody whom the model does not know."""
        self._predictor.fell_back(served)

    def record(
        self, served: ServedModel, call: Call, started: float, columns: tuple[str, ...], rows: Any, output: Any
    ) -> str:
        """Log a prediction; gives its id."""
        made, version = self._log.new_id(), served.version.version
        took = perf_counter() - started
        known = columns or None  # a tensor's have no names
        if call.trace_id:
            said = {"model": served.name, "model_version": version, "prediction_id": made}
            trace.get_current_span().set_attributes({f"sluice.{name}": value for name, value in said.items()})
        asked = (call.caller, call.route, call.trace_id)
        self._log.record(Prediction(made, time(), served.name, version, known, rows, output, took, *asked))
        return made

    def check_rows(self, rows: int) -> None:
        if rows > self._most_rows:
            raise TooManyRowsError(rows=rows, limit=self._most_rows)

    def _matrix(self, served: ServedModel, asked: Asked) -> Matrix | None:
        if served.rows is None or asked.form == invocations.PLAIN or asked.params not in (None, {}):
            return None
        matrix = served.rows.matrix(asked.form, asked.data)
        if matrix is not None:
            self.check_rows(len(matrix))
        return matrix

    async def _in_thread(self, served: ServedModel, call: Call, started: float, read: Callable[[], Asked]) -> Scored:
        def work() -> tuple[tuple[str, ...], Any, bytes, bool]:
            asked = read()
            matrix = self._matrix(served, asked)
            data = served.rows.frame(matrix) if matrix is not None and served.rows else None
            if data is None:
                if asked.check is not None:
                    asked.check()
                asked = invocations.settled(asked, call.body, served.signature)
                data = invocations.model_input(asked, served.signature)
                self.check_rows(rows_in(data))
            try:
                predictions = invocations.encode(self._predictor.predict(served, data, asked.params))
                return *logged(data), predictions, asked.form == invocations.PLAIN
            except ModelRaisedError as raised:
                if not raised.blames_input:
                    self.note_failure(served, raised.cause)
                raise invocations.refusal(asked, raised.cause) from None
            except (TypeError, ValueError, RecursionError) as error:
                self.note_failure(served, error)
                raise invocations.refusal(asked, error) from None

        columns, rows, predictions, plain = await self.bounded(work)
        return Scored(self.record(served, call, started, columns, rows, predictions), predictions, plain)

    def _done(
        self, served: ServedModel, call: Call, started: float, columns: tuple[str, ...], matrix: Matrix, output: Any
    ) -> Scored:
        try:
            predictions = invocations.encode(output)
        except (TypeError, ValueError, RecursionError) as error:
            self.note_failure(served, error)
            problem = f"its output has no JSON form: {error}"
            raise PredictionFailedError(name=served.name, version=served.version.version, problem=problem) from error
        return Scored(self.record(served, call, started, columns, matrix, predictions), predictions)


def rows_in(data: Any) -> int:
    """How many rows a model's input has."""
    if isinstance(data, Mapping):
        return max((rows_in(part) for part in data.values()), default=0)
    if isinstance(data, np.ndarray):
        return len(data) if data.ndim else 1
    return len(data) if hasattr(data, "__len__") and not isinstance(data, str | bytes) else 1


def logged(data: Any) -> tuple[tuple[str, ...], Any]:
    """Columns and values of a model's input, as the log takes them."""
    if isinstance(data, pd.DataFrame):
        # By place: a table for a model without column names may have one name twice.
        return tuple(map(str, data.columns)), {
            str(name): data.iloc[:, place].tolist() for place, name in enumerate(data.columns)
        }
    if isinstance(data, Mapping):
        return tuple(map(str, data)), {str(name): _plain(value) for name, value in data.items()}
    plain = _plain(data)
    return (), plain if isinstance(plain, list) else [plain]


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value
