"""Follows the champion alias of every model in the background."""

import asyncio
from collections.abc import Sequence

from loguru import logger

from serving.cache import ModelCache
from sluice.errors import ModelNotFoundError, SluiceError


class Refresher:
    """Polls the alias of the configured names, and of every name that was asked for since."""

    def __init__(self, cache: ModelCache, names: Sequence[str], seconds: float) -> None:
        self._cache = cache
        self._names = frozenset(names)
        self._seconds = seconds
        self._attempted = False

    @property
    def attempted(self) -> bool:
        """Whether every configured model was tried once, with whatever outcome."""
        return self._attempted

    async def run(self) -> None:
        """Run until cancelled. Nothing that goes wrong with one model ends it."""
        await self._poll()
        self._attempted = True
        while True:
            await asyncio.sleep(self._seconds)
            # A load that takes longer than a period must not keep other models from swapping; it
            # goes on, and the next look-up of its name joins it.
            await self._poll(self._seconds)

    async def _poll(self, timeout: float | None = None) -> None:
        names = self._names | set(self._cache.names())
        if names:
            await asyncio.wait([asyncio.create_task(self._refresh(name)) for name in names], timeout=timeout)

    async def _refresh(self, name: str) -> None:
        try:
            await self._cache.refresh(name)
        except ModelNotFoundError:
            pass  # it has no champion yet
        except SluiceError:
            pass  # the registry does not answer, which the cache has logged once
        except Exception:
            logger.exception("The refresh of {} failed; it is tried again.", name)
