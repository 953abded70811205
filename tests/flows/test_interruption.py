"""Raising an error in the threads that work for a run, wherever they are."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from flows.heard import heard
from flows.interruption import count_running, interrupt, interruptible, pass_on, working
from flows.run_log import LogTarget, run_log
from sluice.errors import SoftTimeLimitExceededError

DEADLINE = 10.0


def started(pool: ThreadPoolExecutor, run: str, fn: Callable[..., Any], *args: Any) -> "Future[Any]":
    """``fn`` in a thread of its own, once it can be interrupted."""
    before = count_running(run)
    future = pool.submit(interruptible, run, fn, *args)
    deadline = time.monotonic() + DEADLINE
    while count_running(run) == before:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    return future


def go_on(until: threading.Event) -> str:
    while not until.is_set():
        time.sleep(0.01)
    return "ended by itself"


def test_a_step_hears_where_it_is_and_others_do_not() -> None:
    """Both threads of the run that was told raise; the one of another run goes on to its end."""
    end = threading.Event()
    with ThreadPoolExecutor(3) as pool:
        told = [started(pool, "a", go_on, end) for _ in range(2)]
        other = started(pool, "b", go_on, end)
        assert interrupt("a") == 2
        for future in told:
            with pytest.raises(SoftTimeLimitExceededError):
                future.result(DEADLINE)
        end.set()
        assert other.result(DEADLINE) == "ended by itself"
    assert count_running("a") == count_running("b") == 0


def test_a_step_can_catch_it_and_is_told_once() -> None:
    """It cleans up in peace, however often the run is told, and what it returns counts."""
    caught, tidied = threading.Event(), threading.Event()

    def step() -> str:
        try:
            return go_on(threading.Event())
        except SoftTimeLimitExceededError:
            caught.set()
            return f"{go_on(tidied)}, tidied up"

    with ThreadPoolExecutor(1) as pool:
        future = started(pool, "a", step)
        assert interrupt("a") == 1
        assert caught.wait(DEADLINE)
        assert interrupt("a") == 0
        assert count_running("a") == 1
        tidied.set()
        assert future.result(DEADLINE) == "ended by itself, tidied up"


def test_nothing_is_raised_after_a_step_has_ended() -> None:
    """However close the two are: the thread goes on with other work, which must not get the error of an old step.

    A thousand steps end while another thread tells their run again and again.
    """
    stop, outside = threading.Event(), []

    def tell() -> None:
        while not stop.is_set():
            interrupt("a")

    teller = threading.Thread(target=tell)
    teller.start()
    try:
        for _ in range(1000):
            with contextlib.suppress(SoftTimeLimitExceededError):
                interruptible("a", lambda: None)
            try:
                for _ in range(50):
                    pass
            except SoftTimeLimitExceededError as error:
                outside.append(error)
    finally:
        stop.set()
        teller.join()
    assert outside == []
    assert count_running("a") == 0


def test_a_step_that_hears_it_from_its_fan_out_is_not_told_again() -> None:
    """An item on another worker was quicker: the step raises what the item raised, and then cleans up in peace."""

    def step() -> int:
        with pytest.raises(SoftTimeLimitExceededError):
            pass_on(SoftTimeLimitExceededError())
        return interrupt("a")

    assert interruptible("a", step) == 0


def test_what_sluice_does_around_a_step_is_not_interrupted() -> None:
    """A commit that runs at that moment ends well; it counts as work of the run all the same."""
    end = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(working, "a", go_on, end)
        deadline = time.monotonic() + DEADLINE
        while count_running("a") == 0:
            assert time.monotonic() < deadline
        assert interrupt("a") == 0
        end.set()
        assert future.result(DEADLINE) == "ended by itself"


def test_an_error_that_a_library_made_of_it_is_still_it() -> None:
    """Pydantic wraps what comes while it calls Python; a step that lets that pass has let the limit pass."""

    def step() -> None:
        try:
            interrupt("a")
            for _ in range(100):
                pass
        except SoftTimeLimitExceededError as error:
            raise ValueError(f"Error calling function: {error!r}") from None

    with pytest.raises(SoftTimeLimitExceededError):
        interruptible("a", step)


def test_each_turn_of_a_generator_hears_and_the_work_between_them_does_not() -> None:
    """A source that is read batch by batch: what is done with a batch is not the step's."""

    def step() -> Iterator[int]:
        yield interrupt("a")
        yield interrupt("a")

    with run_log(LogTarget("a", None)):
        turns = heard(step)()
        assert interrupt("a") == 0
        with pytest.raises(SoftTimeLimitExceededError):
            list(turns)


def test_the_error_names_the_run_and_the_limit() -> None:
    """What a person reads; what a step gets has neither yet."""
    assert "tides took longer than its soft time limit of 5 s" in str(SoftTimeLimitExceededError("tides", "5"))
    assert str(SoftTimeLimitExceededError()).startswith("The run took longer than its soft time limit")
