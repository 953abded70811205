"""Compiles models that were registered without, after they are loaded and in a process of its own."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Executor
from importlib.util import find_spec
from pathlib import Path

from loguru import logger

from serving.engine import choose
from serving.served import ServedModel
from serving.typed import TypedModel
from sluice.compiled import FLAVOURS, FOLDER, load_compiled
from sluice.compiled.__main__ import NOT_COMPILED

SECONDS = 600.0
# A new champion waits so long for its compiled form where the old one has one.
BESIDE_SECONDS = 30.0
NICE = 10
# Written beside a model that cannot be compiled, so that no restart tries again.
REFUSED = "not-compiled.txt"


class Compiler:
    """One at a time. ``replace`` is told (before, after) when a version has a quicker form.

    What answers meanwhile is the original, and it goes on where there is no compiled form that agrees with it.
    """

    def __init__(self, replace: Callable[[ServedModel, ServedModel], None], executor: Executor) -> None:
        self._replace, self._executor = replace, executor
        self._one = asyncio.Semaphore(1)
        self._tasks: dict[Path, asyncio.Task[ServedModel | None]] = {}

    def loaded(self, served: ServedModel) -> None:
        """Start with it, if it is worth trying. Must not block."""
        self._started(served)

    async def beside(self, before: ServedModel, served: ServedModel) -> ServedModel:
        """The version that takes the place of ``before``: compiled too, if that one is and it does not take too long.

        A forest that is not compiled takes a thousand times as long, and its callers would feel the swap until it is.
        """
        if before.runner is None or before.runner.engine.kind != "compiled":
            return served
        task = self._started(served)
        if task is None:
            return served
        done, _ = await asyncio.wait([task], timeout=BESIDE_SECONDS)
        return (task.result() if done and not task.cancelled() else None) or served

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _started(self, served: ServedModel) -> "asyncio.Task[ServedModel | None] | None":
        if served.rows is None or served.runner is None or served.runner.engine.kind == "compiled":
            return None
        if find_spec("onnxruntime") is None or not set(served.model.metadata.flavors) & set(FLAVOURS):
            return None
        if (served.folder / FOLDER).exists() or (served.folder / REFUSED).exists():
            return None
        task = self._tasks.get(served.folder)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._compile(served), name=f"compile {served.name}")
            self._tasks[served.folder] = task
            task.add_done_callback(lambda _: self._tasks.pop(served.folder))
        return task

    async def _compile(self, served: ServedModel) -> ServedModel | None:
        bound = logger.bind(model=served.name, model_version=served.version.version)
        async with self._one:
            try:
                code, said = await self._run(served)
                if code == 0:
                    return await self._take(served)
                bound.info("{} {} stays as it is: {}", served.name, served.version.version, said or f"exit code {code}")
                if code == NOT_COMPILED:  # else it was killed, and may go well another time
                    (served.folder / REFUSED).write_text(said)
            except TimeoutError:
                bound.info("{} {} is not compiled after {:g} s.", served.name, served.version.version, SECONDS)
            except Exception as error:
                bound.warning("{} {} could not be compiled: {}", served.name, served.version.version, error)
        return None

    async def _run(self, served: ServedModel) -> tuple[int, str]:
        # Not by the event loop: uvloop forks, with all that libraries hang on that, and JAX' threads may deadlock then.
        command = [sys.executable, "-m", "sluice.compiled", str(served.folder), str(NICE)]
        # A session of its own: what is typed at a terminal is for the service, which ends it in order.
        process = await asyncio.to_thread(
            subprocess.Popen,
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(SECONDS):
                said, _ = await asyncio.to_thread(process.communicate)
        finally:
            process.kill()  # its thread ends then too
        return process.returncode, said.strip()

    async def _take(self, served: ServedModel) -> ServedModel | None:
        def with_compiled() -> ServedModel | None:
            compiled = load_compiled(served.folder)
            if compiled is None or served.rows is None:
                return None
            quicker = served.with_engine(choose(served.model, served.rows, compiled), self._executor)
            TypedModel.of(quicker)  # not on the event loop, with the first request
            return quicker

        quicker = await asyncio.get_running_loop().run_in_executor(self._executor, with_compiled)
        if quicker is not None:
            self._replace(served, quicker)
            logger.bind(model=served.name, model_version=served.version.version).info(
                "{} {} is compiled now: {}.", served.name, served.version.version, quicker.how
            )
        return quicker
