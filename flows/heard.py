"""A use case's steps as a task calls them: they hear when the soft time limit of their run passes."""

from collections.abc import Callable, Iterator
from functools import wraps
from types import GeneratorType, ModuleType
from typing import Any, ParamSpec, TypeVar, cast

from flows.interruption import interruptible
from flows.run_log import LogTarget

P = ParamSpec("P")
R = TypeVar("R")


class HeardSteps(ModuleType):
    """The module ``steps`` of a use case, its functions interruptible."""

    def __init__(self, steps: ModuleType) -> None:
        super().__init__(steps.__name__, steps.__doc__)
        self.__wrapped__ = steps

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.__dict__["__wrapped__"], name)
        return heard(found) if callable(found) and not isinstance(found, type) else found


def heard(fn: Callable[P, R]) -> Callable[P, R]:
    """``fn``, which runs a step's code, for this run; if it is a generator, so is each of its turns."""

    @wraps(fn)
    def step(*args: P.args, **kwargs: P.kwargs) -> R:
        target = LogTarget.current()
        run = target.flow_run_id if target else None
        result: Any = interruptible(run, fn, *args, **kwargs)
        if isinstance(result, GeneratorType):
            result = _turns(run, result)
        return cast("R", result)

    return step


def _turns(run: str | None, generator: Iterator[Any]) -> Iterator[Any]:
    end = object()
    while (item := interruptible(run, next, generator, end)) is not end:
        yield item
