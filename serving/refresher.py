"""Follows the champion alias of every model in the background."""

import asyncio
import gc
from collections.abc import Sequence

from loguru import logger

from serving.cache import ModelCache
from serving.model_key import ModelKey
from sluice.errors import ModelNotFoundError, SluiceError


class Refresher:
    """Polls the champions of the configured names, and every alias that was asked for since."""

    def __init__(self, cache: ModelCache, names: Sequence[str], seconds: float) -> None:
        self._cache = cache
        self._keys = frozenset(ModelKey(name) for name in names)
        self._seconds = seconds
        self._attempted = False

    @property
    def attempted(self) -> bool:
        """Whether every configured model was tried once, with whatever outcome."""
        return self._attempted

    async def run(self) -> None:
        """Run until cancelled. Nothing that goes wrong with one model ends it."""
        await self._poll(self._keys)
        self._attempted = True
        # What was imported and loaded stays: a collection that walks through all of it stops every request for 0.1 s.
        gc.collect()
        gc.freeze()
        while True:
            await asyncio.sleep(self._seconds)
            evicted = self._keys & self._cache.evicted()
            # A load that takes longer than a period must not keep other models from swapping; it
            # goes on, and the next look-up of its name joins it.
            await self._poll((self._keys | set(self._cache.followed())) - evicted, self._seconds)

    async def _poll(self, keys: "frozenset[ModelKey]", timeout: float | None = None) -> None:
        if keys:
            await asyncio.wait([asyncio.create_task(self._refresh(key)) for key in keys], timeout=timeout)

    async def _refresh(self, key: ModelKey) -> None:
        try:
            await self._cache.refresh(key)
        except ModelNotFoundError:
            pass  # it has no champion yet
        except SluiceError:
            pass  # the registry does not answer, which the cache has logged once
        except Exception:
            logger.exception("The refresh of {} failed; it is tried again.", key)
