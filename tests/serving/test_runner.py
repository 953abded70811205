"""Where predictions run: what is measured decides, and requests that go together stay each other's strangers."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from serving.engine import Engine
from serving.row_schema import Matrix
from serving.runner import Runner


class Model:
    """Doubles; notes the rows of each call and the thread; raises on rows below zero."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.calls: list[int] = []
        self.threads: set[int] = set()
        self._seconds = seconds

    def predict(self, matrix: Matrix) -> Any:
        self.calls.append(len(matrix))
        self.threads.add(threading.get_ident())
        time.sleep(self._seconds)
        if (matrix < 0).any():
            raise ValueError("below zero")
        return matrix[:, 0] * 2


def engine(model: Model, one: float, many: float, splits: bool = True) -> Engine:
    return Engine("array", model.predict, one, many, splits)


@pytest.mark.parametrize(
    ("one", "many", "batching", "mode"),
    [
        (10e-6, 60e-6, "auto", "inline"),
        (9e-3, 9.2e-3, "auto", "batched"),
        (9e-3, 9e-3 * 32, "auto", "threaded"),
        (10e-6, 60e-6, "on", "batched"),
        (9e-3, 9.2e-3, "off", "threaded"),
    ],
)
def test_what_was_measured_decides_unless_it_is_set(one: float, many: float, batching: Any, mode: str) -> None:
    """Cheap ones stay on the loop; dear ones go together where that saves time, and alone where it does not."""
    with ThreadPoolExecutor(1) as pool:
        assert Runner(engine(Model(), one, many), pool, batching).mode == mode


def test_an_answer_that_cannot_be_divided_is_never_batched() -> None:
    """Such as one number for all rows."""
    with ThreadPoolExecutor(1) as pool:
        assert Runner(engine(Model(), 9e-3, 9e-3, splits=False), pool, "on").mode == "threaded"


def test_many_rows_of_a_cheap_model_leave_the_loop() -> None:
    """A long computation on the loop would hold up every other request."""
    model = Model()

    async def ask() -> None:
        with ThreadPoolExecutor(1) as pool:
            runner = Runner(engine(model, 10e-6, 10e-6 * 32), pool)
            await runner.predict(np.ones((1, 2)))
            assert model.threads == {threading.get_ident()}
            await runner.predict(np.ones((10_000, 2)))
            assert len(model.threads) == 2

    asyncio.run(ask())


def test_requests_that_come_meanwhile_go_together_and_each_gets_its_own() -> None:
    """The first goes at once, the others in one call; the order of rows is kept."""
    model = Model(seconds=0.05)

    async def ask() -> list[Any]:
        with ThreadPoolExecutor(4) as pool:
            runner = Runner(engine(model, 9e-3, 9e-3), pool, "on")
            return await asyncio.gather(*(runner.predict(np.full((1 + i % 2, 2), float(i))) for i in range(10)))

    answers = asyncio.run(ask())
    assert [answer.tolist() for answer in answers] == [[2.0 * i] * (1 + i % 2) for i in range(10)]
    assert model.calls == [1, 14]


def test_one_bad_row_fails_one_request() -> None:
    """Those that went together with it are answered."""
    model = Model(seconds=0.01)

    async def ask() -> list[Any]:
        with ThreadPoolExecutor(4) as pool:
            runner = Runner(engine(model, 9e-3, 9e-3), pool, "on")
            rows = [np.full((1, 2), float(value)) for value in (1, 2, -3, 4)]
            return await asyncio.gather(*map(runner.predict, rows), return_exceptions=True)

    first, second, third, fourth = asyncio.run(ask())
    assert (first.tolist(), second.tolist(), fourth.tolist()) == ([2.0], [4.0], [8.0])
    assert isinstance(third, ValueError)


def test_a_request_that_gave_up_holds_up_no_other() -> None:
    """Its client went away while it waited."""
    model = Model(seconds=0.05)

    async def ask() -> Any:
        with ThreadPoolExecutor(4) as pool:
            runner = Runner(engine(model, 9e-3, 9e-3), pool, "on")
            first, gone, last = (asyncio.ensure_future(runner.predict(np.full((1, 2), float(i)))) for i in range(3))
            await asyncio.sleep(0.01)
            gone.cancel()
            return await first, await last

    assert [answer.tolist() for answer in asyncio.run(ask())] == [[0.0], [4.0]]
    assert model.calls == [1, 1]
