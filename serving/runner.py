"""Where a version's predictions run, and which requests go together.

Decided by what was measured when the version was loaded (`serving.engine`), unless its use case says otherwise:

- inline: on the event loop. Requests that one turn of the loop has read go together.
- batched: in a thread. Requests that come while others are computed go together, so no timer is needed.
- threaded: each one alone in a thread.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, Literal, NamedTuple

import numpy as np

from serving.engine import MANY, Engine
from serving.row_schema import Matrix

Batching = Literal["auto", "on", "off"]
# A prediction shorter than this is over before another thread would have begun with it, and holds up nothing.
INLINE_SECONDS = 0.000_5
# A batch must save at least this much of the time its rows take one by one.
_WORTH = 0.5
_MOST_ROWS = 1024


class _Waiting(NamedTuple):
    matrix: Matrix
    answer: "asyncio.Future[Any]"


class Runner:
    """Answers matrices with one engine. ``close`` is not needed: nothing of it outlives its requests."""

    def __init__(self, engine: Engine, executor: Executor, batching: Batching = "auto") -> None:
        self.engine = engine
        self._executor = executor
        cheap = engine.one < INLINE_SECONDS / 2
        saves = engine.many < engine.one * MANY * _WORTH
        self._batches = engine.splits and (batching == "on" or (batching == "auto" and not cheap and saves))
        inline = cheap and not self._batches
        self._inline_rows = 1 + int((INLINE_SECONDS - engine.one) / engine.per_row) if inline else 0
        self._gathers = inline and engine.splits and saves and batching == "auto"
        self._waiting: deque[_Waiting] = deque()
        self._busy = False

    @property
    def mode(self) -> str:
        return "batched" if self._batches else "inline" if self._inline_rows else "threaded"

    async def predict(self, matrix: Matrix) -> Any:
        """The engine's answer to these rows.

        Raises:
            Exception: whatever the model raises.
        """
        rows = len(matrix)
        if rows <= self._inline_rows:
            found = await self._wait(matrix, self._gather) if self._gathers else self.engine.predict(matrix)
            if found is not None or self.engine.fallback is None:
                return found
        elif self._batches and rows <= _MOST_ROWS:
            return await self._wait(matrix, self._start)
        return await asyncio.get_running_loop().run_in_executor(self._executor, self.engine.whole, matrix)

    async def _wait(self, matrix: Matrix, start: Callable[[asyncio.AbstractEventLoop], None]) -> Any:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._waiting.append(_Waiting(matrix, answer))
        if not self._busy:
            start(loop)
        return await answer

    def _gather(self, loop: asyncio.AbstractEventLoop) -> None:
        """Once all that this turn of the loop brings has been read."""
        self._busy = True
        loop.call_soon(self._gathered)

    def _gathered(self) -> None:
        while batch := self._next(self._inline_rows):
            answers = together(self.engine.predict, [one.matrix for one in batch])
            for one, answer in zip(batch, answers, strict=True):
                _settle(one.answer, answer)
        self._busy = False

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Send off what waits. While it is computed the next batch gathers."""
        batch = self._next(_MOST_ROWS)
        self._busy = bool(batch)
        if not batch:
            return
        work = loop.run_in_executor(self._executor, together, self.engine.whole, [one.matrix for one in batch])

        def done(finished: "asyncio.Future[list[Any]]") -> None:
            self._start(loop)
            failed = finished.exception() if not finished.cancelled() else asyncio.CancelledError()
            answers = [failed] * len(batch) if failed is not None else finished.result()
            for one, answer in zip(batch, answers, strict=True):
                _settle(one.answer, answer)

        work.add_done_callback(done)

    def _next(self, most_rows: int) -> list[_Waiting]:
        batch: list[_Waiting] = []
        rows = 0
        while self._waiting and (not batch or rows + len(self._waiting[0].matrix) <= most_rows):
            one = self._waiting.popleft()
            if not one.answer.done():  # its client has gone, or its time is over
                batch.append(one)
                rows += len(one.matrix)
        return batch


def together(predict: Callable[[Matrix], Any], matrices: Sequence[Matrix]) -> list[Any]:
    """One call for all, and each one's part of the answer, which may be an exception.

    When it fails, or gives None, each goes alone: one bad row is one failure.
    """
    if len(matrices) > 1:
        try:
            answer = predict(np.concatenate(matrices))
        except Exception:
            answer = None
        if answer is not None:
            parts, end, sliced = [], 0, getattr(answer, "iloc", answer)
            for matrix in matrices:
                start, end = end, end + len(matrix)
                parts.append(sliced[start:end])
            return parts
    return [_alone(predict, matrix) for matrix in matrices]


def _alone(predict: Callable[[Matrix], Any], matrix: Matrix) -> Any:
    try:
        return predict(matrix)
    except Exception as error:
        return error


def _settle(waiting: "asyncio.Future[Any]", answer: Any) -> None:
    if waiting.done():
        return
    if isinstance(answer, BaseException):
        waiting.set_exception(answer)
    else:
        waiting.set_result(answer)
