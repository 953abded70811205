"""What a benchmark gets: the shared stack, started when the first one asks for it, and how much it should do."""

import sys
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from benchmarks.bench_stack import BenchStack, bench_stack


class Bench:
    """Use it in a ``with`` block; the stack is up until its end.

    Args:
        quick: a tenth of the data or less, to see that a benchmark works. Its figures mean nothing.
    """

    def __init__(self, quick: bool = False) -> None:
        self.quick = quick
        self._open = ExitStack()
        self._stack: BenchStack | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._open.close()

    def stack(self) -> BenchStack:
        if self._stack is None:
            begun = time.monotonic()
            self.say("Starting a stack")
            self._stack = self._open.enter_context(bench_stack())
            self.say(f"The stack is up after {time.monotonic() - begun:.0f} s")
        return self._stack

    @staticmethod
    def say(message: str) -> None:
        """Progress, on standard error."""
        print(f"  {message}", file=sys.stderr, flush=True)
