"""Steps that run in this process can be interrupted: an error is raised in their threads, where they are just now.

It comes with the next instruction of Python: what is inside C code, such as ``time.sleep``, hears of it afterwards.
Nothing heavy is imported here, and no Dask: every process that unpickles a task imports this.
"""

import ctypes
import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TypeVar

from sluice.errors import SoftTimeLimitExceededError

R = TypeVar("R")
_TOLD = ctypes.py_object(SoftTimeLimitExceededError)


class _Running:
    """A thread that works for a run. It is told once, and only inside of a step's own code."""

    def __init__(self, run: str, is_step: bool) -> None:
        self.run = run
        self.thread = threading.get_ident()
        self.is_step = is_step
        self.told = False


_lock = threading.Lock()
_running: set[_Running] = set()


def interruptible(run: str | None, fn: Callable[..., R], *args: Any, **kwargs: Any) -> R:
    """Call ``fn``, a step's own code, so that `interrupt` finds it. ``run``: the id of its flow run, if any."""
    return fn(*args, **kwargs) if run is None else _call(_Running(run, is_step=True), fn, *args, **kwargs)


def working(run: str | None, fn: Callable[..., R], *args: Any, **kwargs: Any) -> R:
    """Call ``fn``, what Sluice does around a step, so that `count_running` finds it. It is not interrupted."""
    return fn(*args, **kwargs) if run is None else _call(_Running(run, is_step=False), fn, *args, **kwargs)


def _call(here: _Running, fn: Callable[..., R], *args: Any, **kwargs: Any) -> R:
    with _lock:
        _running.add(here)
    try:
        return fn(*args, **kwargs)
    except SoftTimeLimitExceededError:
        raise
    except Exception as error:
        # Some libraries make an error of their own of what comes while they call Python: pydantic in a serializer.
        if here.told and SoftTimeLimitExceededError.__name__ in str(error):
            raise SoftTimeLimitExceededError from error
        raise
    finally:
        _ended(here)


def _ended(here: _Running) -> None:
    """From here on it cannot be told. If it just was, the error comes before this returns, and not in foreign code."""
    try:
        with _lock:
            _running.discard(here)
    except SoftTimeLimitExceededError:
        with _lock:
            _running.discard(here)
        raise
    if here.told:
        _let_it_come()


def _let_it_come() -> None:
    """Each turn of a loop is a place where Python raises what another thread has asked for."""
    for _ in range(100):
        pass


def interrupt(run: str) -> int:
    """Raise `SoftTimeLimitExceededError` in the run's steps that are here; gives how many heard it now."""
    with _lock:
        found = [there for there in _running if there.run == run and there.is_step and not there.told]
        for there in found:
            there.told = True
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(there.thread), _TOLD)
    return len(found)


def count_running(run: str) -> int:
    """Of the calls that work for this run, also those that were told and go on."""
    with _lock:
        return sum(there.run == run for there in _running)


def in_step() -> bool:
    """Whether this thread is inside of a step's own code."""
    return any(there.is_step for there in _here())


def pass_on(error: SoftTimeLimitExceededError) -> NoReturn:
    """Raise in this thread what an item of its fan-out was told.

    The thread then counts as told: a step must not get the error again while it cleans up.
    """
    for there in _here():
        there.told = True
    _let_it_come()  # its own, if both were told in the same moment
    raise error


def _here() -> Iterator[_Running]:
    thread = threading.get_ident()
    with _lock:
        found = [there for there in _running if there.thread == thread]
    yield from found
