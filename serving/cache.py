"""The models this process answers with, and how one version takes another's place."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import TypeVar

from loguru import logger

from serving.metrics import ServingMetrics
from serving.model_key import ModelKey
from serving.refusal import Refusal
from serving.remembered import Remembered
from serving.served import LoadTimes, ServedModel
from sluice.errors import ModelLoadFailedError, ModelLoadingError, ModelNotFoundError, SluiceError
from sluice.models import ModelRegistry, ModelVersion

# Names nobody registered are remembered this long, so that a client's loop over a wrong name is
# not a loop over the registry.
MISSING_SECONDS = 2.0
MISSING_NAMES = 1000

R = TypeVar("R")
Swapped = Callable[[str, ServedModel | None], None]


@dataclass
class Slot:
    """What is known of one key: the version that answers, and the one that may not.

    Attributes:
        used: when it was last asked for, on a clock of its own.
        evicted: it was let go to make room, and is loaded again when it is asked for.
    """

    current: ServedModel | None = None
    refusal: Refusal | None = None
    orphaned: bool = False
    used: int = 0
    evicted: bool = False


class ModelCache:
    """Versions by alias or number. All methods run on the event loop; the registry and models run off it.

    Args:
        load: reads a version; blocks.
        before_swap: makes a version that is to take another's place (previous, new) as quick as it; must not raise.
        on_load: told each version that was loaded; must not block.
        on_swap: told (name, the new one) after each swap of a champion, None when it was let go; must not block.
        remembered: what was served last, for when the registry is down.
        budget: bytes that models may take; beyond it those not asked for the longest go. 0: no bound.
        kept: names whose champions are never let go.
        patience: how many seconds a request waits for a first load.
    """

    def __init__(
        self,
        registry: ModelRegistry,
        metrics: ServingMetrics,
        executor: Executor,
        load: Callable[[ModelVersion], tuple[ServedModel, LoadTimes]],
        before_swap: Callable[[ServedModel, ServedModel], Awaitable[ServedModel]],
        on_load: Callable[[ServedModel], None],
        on_swap: Swapped,
        remembered: Remembered,
        budget: int = 0,
        kept: Collection[str] = (),
        patience: float = 30.0,
    ) -> None:
        self._registry = registry
        self._metrics = metrics
        self._executor = executor
        self._load = load
        self._before_swap = before_swap
        self._on_load = on_load
        self._on_swap = on_swap
        self._remembered = remembered
        self._budget = budget
        self._kept = frozenset(kept)
        self._patience = patience
        self._slots: dict[ModelKey, Slot] = {}
        self._refreshes: dict[ModelKey, asyncio.Task[None]] = {}
        self._missing: dict[ModelKey, float] = {}
        self._registry_down = False
        self._clock = 0

    def names(self) -> list[str]:
        """Names the registry has a champion for, loaded or refused. For any thread."""
        return sorted(key.name for key in list(self._slots) if key.is_champion)  # a copy: loads add to it meanwhile

    def followed(self) -> list[ModelKey]:
        """Keys whose alias may come to mean another version."""
        return [key for key, slot in self._slots.items() if key.version is None and not slot.evicted]

    def evicted(self) -> set[ModelKey]:
        return {key for key, slot in self._slots.items() if slot.evicted}

    def current(self, key: ModelKey) -> ServedModel | None:
        slot = self._slots.get(key)
        return slot.current if slot else None

    def refusal(self, key: ModelKey) -> Refusal | None:
        slot = self._slots.get(key)
        return slot.refusal if slot else None

    def asked(self, key: ModelKey) -> ServedModel | None:
        """Like `current`, for a request: it is the last one to be let go now."""
        slot = self._slots.get(key)
        if slot is None:
            return None
        self._clock = slot.used = self._clock + 1
        return slot.current

    async def get(self, key: ModelKey) -> ServedModel:
        """The version that answers now; loaded here if it is asked for the first time.

        Raises:
            ModelNotFoundError: no such model or version, or it has no such alias.
            ModelLoadFailedError: its version was refused and none came before it.
            ModelLoadingError: loading takes longer than a request may wait; it goes on.
            ServiceUnavailableError: the registry does not answer, and nothing is loaded.
        """
        served = self.asked(key)
        if served is not None:
            return served
        if (slot := self._slots.get(key)) is not None:
            slot.evicted = False  # before all else: one that was refused is followed again, and so tried again
        self._raise_known_failure(key)
        try:
            await asyncio.wait_for(self.refresh(key), self._patience)
        except TimeoutError:
            raise ModelLoadingError(name=key.name, seconds=self._patience) from None
        served = self.asked(key)
        if served is None:
            self._raise_known_failure(key)
            raise _not_found(key)
        return served

    async def refresh(self, key: ModelKey) -> None:
        """Look the alias up and swap if it names another version. One at a time for each key.

        Raises:
            ModelNotFoundError: the alias does not exist and nothing is loaded.
            SluiceError: the registry does not answer.
        """
        task = self._refreshes.get(key)
        if task is None:
            task = asyncio.create_task(self._refresh(key), name=f"refresh {key}")
            self._refreshes[key] = task
            task.add_done_callback(partial(self._refreshed, key))
        # A request that gives up must not take the load with it: others wait for the same one.
        await asyncio.shield(task)

    async def take_up(self, key: ModelKey, version: str) -> None:
        """Look the alias up now, for somebody who has just made it name ``version``; a refused one is tried again.

        Raises:
            SluiceError: as `refresh`.
        """
        slot = self._slots.get(key)
        if slot is not None:
            slot.evicted = False
            if slot.refusal and slot.refusal.version == version:
                slot.refusal = slot.refusal.due_now()
        # The first may be one that is under way, and that read the alias before it moved.
        for _ in range(2):
            await self.refresh(key)
            current, refusal = self.current(key), self.refusal(key)
            if version in (current and current.version.version, refusal and refusal.version):
                return

    def replace(self, old: ServedModel, new: ServedModel) -> None:
        """The same version, computed in another way, wherever it answers."""
        for slot in self._slots.values():
            if slot.current is old:
                slot.current = new

    async def close(self) -> None:
        """Stop refreshing. What runs in threads is left to finish by itself."""
        tasks = list(self._refreshes.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _refreshed(self, key: ModelKey, task: asyncio.Task[None]) -> None:
        del self._refreshes[key]
        if not task.cancelled():
            task.exception()  # seen, even if everyone who waited has gone

    def _raise_known_failure(self, key: ModelKey) -> None:
        slot = self._slots.get(key)
        # Nobody follows a number: who asks for it when it is due tries it again.
        again = key.version is not None and slot is not None and slot.refusal is not None and slot.refusal.due
        if slot and slot.refusal and not slot.current and not again:
            # Made anew each time: one instance raised for ever would collect every traceback.
            raise ModelLoadFailedError(name=key.name, version=slot.refusal.version, problem=slot.refusal.problem)
        if slot is None and self._missing.get(key, 0.0) > monotonic():
            raise _not_found(key)

    async def _refresh(self, key: ModelKey) -> None:
        version = await self._look_up(key)
        if version is None:
            self._without_version(key)
            return
        slot = self._slots.get(key)
        if slot is None:
            slot = self._slots[key] = Slot()
            self._missing.pop(key, None)
            self._metrics.known(key.name)
        slot.orphaned = False
        if slot.refusal and slot.refusal.version != version.version:
            self._forgive(key, slot)
        if slot.current and slot.current.version.version == version.version:
            return
        if slot.refusal and not slot.refusal.due:
            return
        try:
            known = self._loaded(version)
            served, times = (known, None) if known else await self._off_loop(partial(self._load, version))
        except SluiceError as error:
            self._refuse(slot, version, error)
            return
        if slot.current is not None:
            served = await self._before_swap(slot.current, served)
        self._forgive(key, slot)
        self._swap(key, slot, served, times)
        if known is None:
            self._on_load(served)
        self._remembered.put(key, version)
        self._make_room(key)

    async def _look_up(self, key: ModelKey) -> ModelVersion | None:
        find = partial(self._registry.find, key.name, alias=key.alias, version=key.version)
        try:
            version = await self._off_loop(find)
        except Exception as error:
            if not self._registry_down:
                logger.warning("The registry does not answer; loaded models go on. {}", error)
            self._registry_down = True
            known = self._remembered.get(key)
            if known is None or self.current(key) is not None:
                raise
            return known
        if self._registry_down:
            logger.info("The registry answers again.")
        self._registry_down = False
        self._metrics.registry_seen.set_to_current_time()
        return version

    def _loaded(self, version: ModelVersion) -> ServedModel | None:
        """The version, if it answers under another key: it is not loaded twice."""
        wanted = (version.name, version.version, version.run_id)
        for slot in self._slots.values():
            current = slot.current
            if current and (current.name, current.version.version, current.version.run_id) == wanted:
                return current
        return None

    async def _off_loop(self, fn: Callable[[], R]) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._executor, fn)

    def _without_version(self, key: ModelKey) -> None:
        self._remembered.forget(key)
        slot = self._slots.get(key)
        if slot and slot.current:
            if not slot.orphaned:
                logger.warning("The registry has no {} any more; {} goes on.", key, slot.current.version.version)
            slot.orphaned = True
            return
        if slot:
            self._forgive(key, slot)
            del self._slots[key]
        if len(self._missing) >= MISSING_NAMES:
            self._missing.clear()
        self._missing[key] = monotonic() + MISSING_SECONDS
        raise _not_found(key)

    def _refuse(self, slot: Slot, version: ModelVersion, error: SluiceError) -> None:
        problem = str(error.fields.get("problem", error))
        slot.refusal = Refusal.of(version.version, problem, slot.refusal)
        self._metrics.refused(version.name, version.version)
        goes_on = f"Version {slot.current.version.version} goes on" if slot.current else "None answers"
        logger.bind(model=version.name, model_version=version.version).opt(exception=error).error(
            "Refused: {} {}; next try in {:g} s.", error, goes_on, slot.refusal.wait_seconds
        )

    def _forgive(self, key: ModelKey, slot: Slot) -> None:
        if slot.refusal:
            self._metrics.forgiven(key.name, slot.refusal.version)
            slot.refusal = None

    def _swap(self, key: ModelKey, slot: Slot, served: ServedModel, times: LoadTimes | None) -> None:
        previous, slot.current = slot.current, served
        self._clock = slot.used = self._clock + 1
        self._metrics.loaded(served, times)
        if previous is not None:
            self._unloaded(previous)
        if not key.is_champion:
            return
        logger.bind(model=served.name, model_version=served.version.version).info(
            "Serving {} {} instead of {}: loaded in {:.2f} s, warm in {:.2f} s, {}.",
            served.name,
            served.version.version,
            previous.version.version if previous else "none",
            times.load if times else 0,
            times.warm if times else 0,
            served.how,
        )
        self._on_swap(served.name, served)

    def _unloaded(self, served: ServedModel) -> None:
        if all(slot.current is not served for slot in self._slots.values()):
            self._metrics.unloaded(served)

    def _make_room(self, newest: ModelKey) -> None:
        """Let go what was not asked for the longest, until the rest fits.

        Not what stands in for a version that was refused, or that the registry has no more: nothing would replace it.
        """
        while self._budget and self._taken() > self._budget:
            idle = [
                (slot.used, key)
                for key, slot in self._slots.items()
                if slot.current and not slot.refusal and not slot.orphaned
                if key != newest and not (key.is_champion and key.name in self._kept)
            ]
            if not idle:
                logger.warning("Models take {} of {} bytes, and none can be let go.", self._taken(), self._budget)
                return
            _, key = min(idle)
            slot = self._slots[key]
            let_go, slot.current, slot.evicted = slot.current, None, True
            assert let_go is not None
            self._unloaded(let_go)
            if key.is_champion:
                self._on_swap(key.name, None)
            logger.info("Let go of {} {} to make room.", let_go.name, let_go.version.version)

    def _taken(self) -> int:
        return sum({id(slot.current): slot.current.size for slot in self._slots.values() if slot.current}.values())


def _not_found(key: ModelKey) -> ModelNotFoundError:
    return ModelNotFoundError(
        name=key.name,
        wanted=key.wanted,
        hint="GET /models lists those that answer; a first one comes from a run of the pipeline.",
    )
