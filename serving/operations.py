"""What the routes that operate the platform share: Prefect, the registry and the document store, off the event loop."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from threading import Lock
from typing import ParamSpec, TypeVar

from observability.asgi import in_trace
from serving.schemas import ModelStatus
from sluice.component_logs import open_component_logs
from sluice.documents import DocumentStore
from sluice.models import ModelRegistry
from sluice.request_errors import DeadlineExceededError
from sluice.runs import PrefectRuns
from sluice.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")
TakeUp = Callable[[str, str], Awaitable[ModelStatus]]
# They wait for the network; predictions have threads of their own.
THREADS = 8


class Operations:
    """``open_store`` is called when the store is first needed, in a thread of `call`.

    Attributes:
        take_up: has this service look at once which version of a model is champion: it is told the one that it should
            be, and says what answers now. On the event loop.
    """

    def __init__(
        self,
        settings: Settings,
        registry: ModelRegistry,
        open_store: Callable[[], DocumentStore],
        take_up: TakeUp | None = None,
    ) -> None:
        self.settings, self.registry = settings, registry
        self.take_up = take_up or _serves_nothing
        self.prefect = PrefectRuns.of(settings.prefect)
        self.logs = open_component_logs(settings)
        self._open_store = open_store
        self._opening = Lock()
        self._threads = ThreadPoolExecutor(THREADS, "operate")

    @property
    def documents(self) -> DocumentStore:
        """Use it within `call` only: it may connect.

        Raises:
            ServiceUnavailableError: it does not answer.
        """
        with self._opening:
            return self._documents

    @cached_property
    def _documents(self) -> DocumentStore:
        return self._open_store()

    async def call(self, blocking: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What a call that blocks gives, for as long as a request may take.

        Raises:
            DeadlineExceededError: one that has begun goes on in its thread, and nobody waits for it; one that has not
                never does.
        """
        seconds = self.settings.serving.limits.seconds
        try:
            async with asyncio.timeout(seconds):
                return await self.finish(blocking, *args, **kwargs)
        except TimeoutError:
            raise DeadlineExceededError(seconds=seconds) from None

    async def finish(self, blocking: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """As `call`, however long it takes: for calls that go on from where the last one ended."""
        work = in_trace(partial(blocking, *args, **kwargs))
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.prefect.__exit__()
        self.logs.close()
        if "_documents" in self.__dict__:
            self._documents.close()


async def _serves_nothing(name: str, version: str) -> ModelStatus:
    return ModelStatus(name=name, version=None, since=None, run_id=None)
