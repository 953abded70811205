"""The models this process answers with, and how one version takes another's place."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import TypeVar

from loguru import logger

from serving.metrics import ServingMetrics
from serving.refusal import Refusal
from serving.served import LoadTimes, ServedModel, load
from sluice.errors import ModelLoadFailedError, ModelLoadingError, ModelNotFoundError, SluiceError
from sluice.models import ModelRegistry, ModelVersion

ALIAS = "champion"
# Names nobody registered are remembered this long, so that a client's loop over a wrong name is
# not a loop over the registry.
MISSING_SECONDS = 2.0
MISSING_NAMES = 1000

R = TypeVar("R")
Swapped = Callable[[ServedModel | None, ServedModel], None]


@dataclass
class Slot:
    """What is known of one name: the version that answers, and the one that may not."""

    current: ServedModel | None = None
    refusal: Refusal | None = None
    orphaned: bool = False


class ModelCache:
    """Champions by name. All methods run on the event loop; the registry and models run off it.

    ``on_swap`` is told (previous or None, new) after each swap and must not block. ``patience`` is
    how many seconds a request waits for a first load.
    """

    def __init__(
        self,
        registry: ModelRegistry,
        metrics: ServingMetrics,
        executor: Executor,
        on_swap: Swapped,
        patience: float = 30.0,
    ) -> None:
        self._registry = registry
        self._metrics = metrics
        self._executor = executor
        self._on_swap = on_swap
        self._patience = patience
        self._slots: dict[str, Slot] = {}
        self._refreshes: dict[str, asyncio.Task[None]] = {}
        self._missing: dict[str, float] = {}
        self._registry_down = False

    def names(self) -> list[str]:
        """Names the registry has a champion for, loaded or refused."""
        return sorted(self._slots)

    def current(self, name: str) -> ServedModel | None:
        slot = self._slots.get(name)
        return slot.current if slot else None

    def refusal(self, name: str) -> Refusal | None:
        slot = self._slots.get(name)
        return slot.refusal if slot else None

    async def get(self, name: str) -> ServedModel:
        """The champion that answers now; loaded here if it is asked for the first time.

        Raises:
            ModelNotFoundError: no such model, or it has no champion yet.
            ModelLoadFailedError: its champion was refused and none came before it.
            ModelLoadingError: loading takes longer than a request may wait; it goes on.
            ServiceUnavailableError: the registry does not answer, and nothing is loaded.
        """
        slot = self._slots.get(name)
        if slot and slot.current:
            return slot.current
        self._raise_known_failure(name)
        try:
            await asyncio.wait_for(self.refresh(name), self._patience)
        except TimeoutError:
            raise ModelLoadingError(name=name, seconds=self._patience) from None
        served = self.current(name)
        if served is None:
            self._raise_known_failure(name)
            raise _not_found(name)
        return served

    async def refresh(self, name: str) -> None:
        """Look the alias up and swap if it names another version. One at a time for each name.

        Raises:
            ModelNotFoundError: the alias does not exist and nothing is loaded.
            SluiceError: the registry does not answer.
        """
        task = self._refreshes.get(name)
        if task is None:
            task = asyncio.create_task(self._refresh(name), name=f"refresh {name}")
            self._refreshes[name] = task
            task.add_done_callback(partial(self._refreshed, name))
        # A request that gives up must not take the load with it: others wait for the same one.
        await asyncio.shield(task)

    async def close(self) -> None:
        """Stop refreshing. What runs in threads is left to finish by itself."""
        tasks = list(self._refreshes.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _refreshed(self, name: str, task: asyncio.Task[None]) -> None:
        del self._refreshes[name]
        if not task.cancelled():
            task.exception()  # seen, even if everyone who waited has gone

    def _raise_known_failure(self, name: str) -> None:
        slot = self._slots.get(name)
        if slot and slot.refusal and not slot.current:
            # Made anew each time: one instance raised for ever would collect every traceback.
            raise ModelLoadFailedError(name=name, version=slot.refusal.version, problem=slot.refusal.problem)
        if slot is None and self._missing.get(name, 0.0) > monotonic():
            raise _not_found(name)

    async def _refresh(self, name: str) -> None:
        version = await self._look_up(name)
        if version is None:
            self._without_champion(name)
            return
        slot = self._slots.get(name)
        if slot is None:
            slot = self._slots[name] = Slot()
            self._missing.pop(name, None)
            self._metrics.known(name)
        slot.orphaned = False
        if slot.refusal and slot.refusal.version != version.version:
            self._forgive(name, slot)
        if slot.current and slot.current.version.version == version.version:
            return
        if slot.refusal and not slot.refusal.due:
            return
        try:
            served, times = await self._off_loop(partial(load, self._registry, version))
        except SluiceError as error:
            self._refuse(slot, version, error)
            return
        self._forgive(name, slot)
        self._swap(slot, served, times)

    async def _look_up(self, name: str) -> ModelVersion | None:
        try:
            version = await self._off_loop(partial(self._registry.find, name, alias=ALIAS))
        except Exception as error:
            if not self._registry_down:
                logger.warning("The registry does not answer; loaded models go on. {}", error)
            self._registry_down = True
            raise
        if self._registry_down:
            logger.info("The registry answers again.")
        self._registry_down = False
        self._metrics.registry_seen.set_to_current_time()
        return version

    async def _off_loop(self, fn: Callable[[], R]) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._executor, fn)

    def _without_champion(self, name: str) -> None:
        slot = self._slots.get(name)
        if slot and slot.current:
            if not slot.orphaned:
                kept = slot.current.version.version
                logger.warning("{} has no {} any more; version {} goes on.", name, ALIAS, kept)
            slot.orphaned = True
            return
        if slot:
            self._forgive(name, slot)
            del self._slots[name]
        if len(self._missing) >= MISSING_NAMES:
            self._missing.clear()
        self._missing[name] = monotonic() + MISSING_SECONDS
        raise _not_found(name)

    def _refuse(self, slot: Slot, version: ModelVersion, error: SluiceError) -> None:
        problem = str(error.fields.get("problem", error))
        slot.refusal = Refusal.of(version.version, problem, slot.refusal)
        self._metrics.refused(version.name, version.version)
        goes_on = f"Version {slot.current.version.version} goes on" if slot.current else "None answers"
        logger.bind(model=version.name, model_version=version.version).opt(exception=error).error(
            "Refused: {} {}; next try in {:g} s.", error, goes_on, slot.refusal.wait_seconds
        )

    def _forgive(self, name: str, slot: Slot) -> None:
        if slot.refusal:
            self._metrics.forgiven(name, slot.refusal.version)
            slot.refusal = None

    def _swap(self, slot: Slot, served: ServedModel, times: LoadTimes) -> None:
        previous, slot.current = slot.current, served
        before = previous.version.version if previous else None
        self._metrics.swapped(served.name, served.version.version, before, times)
        logger.bind(model=served.name, model_version=served.version.version).info(
            "Serving {} {} instead of {}: loaded in {:.2f} s, warm in {:.2f} s.",
            served.name,
            served.version.version,
            before or "none",
            times.load,
            times.warm,
        )
        self._on_swap(previous, served)


def _not_found(name: str) -> ModelNotFoundError:
    return ModelNotFoundError(
        name=name,
        wanted=f"with the alias {ALIAS!r}",
        hint="GET /models lists those that answer; a first one comes from a run of the pipeline.",
    )
