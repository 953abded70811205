"""A model asked about chunks of rows. None is lost: one that it raises on has a reason in place of an answer."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import polars as pl
from mlflow.exceptions import MlflowException

from flows.answer import ERROR, columns_of
from flows.question import Question
from sluice.errors import PredictionFailedError, SluiceError
from sluice.references import ModelRef

_REASON_CHARACTERS = 200
_SERVER_ERROR = 500


class TooManyRefusedError(Exception):
    """More rows than allowed have no answer; `Asking.reasons` says why."""


class Asking:
    """Asks chunk by chunk, and counts the rows that have no answer.

    Where the model raises, the chunk is halved until the rows that it raises on are found: some fourteen calls for a
    row among 10,000. ``allowed`` bounds how many rows are looked for.

    Args:
        predict: what MLflow calls, with the parameters of this run.
    """

    def __init__(self, predict: Callable[[Any], Any], question: Question, model: ModelRef, allowed: int) -> None:
        self.reasons: Counter[str] = Counter()
        self._predict = predict
        self._question = question
        self._model = model
        self._allowed = allowed
        self._echoed = set(question.keeps) & set(question.reads)

    def ask(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The kept columns, the answer's, and ``error``, in the order of ``rows``.

        Raises:
            TooManyRefusedError: more than ``allowed`` rows have no answer by now.
            PredictionFailedError: the answer is not one value a row.
            SluiceError: of status 500 and above, which is not about a row.
        """
        asked, problem = self._question.typed(rows)
        kept = rows.select(self._question.keeps).with_columns(problem.alias(ERROR)).with_row_index("_row")
        if not problem.null_count() < rows.height:
            return self._answers(kept, asked).drop("_row")
        refused = kept.filter(problem.is_not_null())
        for reason in refused[ERROR]:
            self._refuse(reason)
        parts = [refused, self._answers(kept.filter(problem.is_null()), asked.filter(problem.is_null()))]
        return pl.concat(parts, how="diagonal_relaxed").sort("_row").drop("_row")

    def _answers(self, kept: pl.DataFrame, asked: pl.DataFrame) -> pl.DataFrame:
        if not kept.height:
            return kept
        try:
            answer = self._predict(self._question.form(asked))
        except Exception as error:  # whatever a model raises
            if not _is_about_rows(error):
                raise
            if kept.height == 1:
                reason = _reason(error)
                self._refuse(reason)
                return kept.with_columns(pl.lit(reason).alias(ERROR))
        else:
            return kept.hstack(self._columns(answer, kept.height))
        half = kept.height // 2
        halves = (self._answers(kept[:half], asked[:half]), self._answers(kept[half:], asked[half:]))
        return pl.concat(halves, how="diagonal_relaxed")

    def _columns(self, answer: Any, rows: int) -> pl.DataFrame:
        try:
            return columns_of(answer, rows, self._echoed, self._question.keeps)
        except ValueError as error:
            raise PredictionFailedError(name=self._model.name, version=self._model.version, problem=error) from None

    def _refuse(self, reason: str) -> None:
        self.reasons[reason] += 1
        if self.reasons.total() > self._allowed:
            raise TooManyRefusedError


def _is_about_rows(error: Exception) -> bool:
    if isinstance(error, SluiceError):
        return error.status < _SERVER_ERROR
    return not isinstance(error, MemoryError | OSError | ImportError)


def _reason(error: Exception) -> str:
    """In one short line. MLflow puts the cause last, after a copy of the data."""
    text = str(error) if isinstance(error, SluiceError) else f"{type(error).__name__}: {error}"
    if isinstance(error, MlflowException):
        text = error.message.rpartition("Error: ")[2]
    text = " ".join(text.split())
    return text if len(text) <= _REASON_CHARACTERS else f"{text[:_REASON_CHARACTERS]}…"
