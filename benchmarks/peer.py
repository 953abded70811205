"""A process of its own for one side of a comparison, asked and answered in lines of JSON.

It stays between requests: what a side imports, and what it keeps in memory, is its own, and is paid for once.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class Peer:
    """``python -m module``, which has to call `serve`. Use it in a ``with`` block.

    Args:
        env: its whole environment.
        log: the file that gets what it prints.
    """

    def __init__(self, module: str, env: Mapping[str, str], log: Path) -> None:
        self._module, self._log = module, log
        with log.open("w", encoding="utf-8") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module],
                env=dict(env),
                cwd=log.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if kind is not None:
            self._process.kill()
        self._process.communicate()  # the end of its input ends it

    def ask(self, **request: Any) -> Any:
        """Its answer.

        Raises:
            RuntimeError: it ended instead of answering; with the end of its log.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            line = ""
        else:
            line = self._process.stdout.readline()
        if not line:
            self._process.wait(timeout=10)  # it closes its answers before it has said why
            said = self._log.read_text(encoding="utf-8")[-3000:]
            raise RuntimeError(f"{self._module} did not answer {request}. It said:\n{said}")
        return json.loads(line)


def serve(answer: Callable[..., Any]) -> None:
    """In the peer: answer requests with ``answer(**request)`` until there are no more."""
    # Libraries print to standard output; that must not look like an answer.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        for line in sys.stdin:
            print(json.dumps(answer(**json.loads(line))), file=answers, flush=True)
