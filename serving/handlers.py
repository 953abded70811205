"""What the service tells of its models, without HTTP: `serving.routes` puts it on the wire."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from serving.cache import ModelCache
from serving.model_key import ModelKey
from serving.refresher import Refresher
from serving.schemas import ModelStatus, Readiness, Refused
from serving.served import ServedModel
from sluice.errors import InputInvalidError, ModelLoadFailedError, SluiceError

# How long a promotion waits for its version to answer. Its caller has been waiting for the registry already.
TAKE_UP_SECONDS = 15.0


class Handlers:
    """Args:
    configured: the models of the settings.
    required: those that readiness asks for.
    can_admit: whether callers' keys can be checked.
    keys: whether callers need one.
    """

    def __init__(
        self,
        cache: ModelCache,
        refresher: Refresher,
        configured: Sequence[str],
        required: Sequence[str],
        can_admit: Callable[[], bool],
        keys: bool,
    ) -> None:
        self._cache = cache
        self._refresher = refresher
        self._configured = tuple(configured)
        self._required = tuple(required)
        self._can_admit = can_admit
        self._keys = keys

    async def served(self, key: ModelKey) -> ServedModel:
        """The version that answers, loaded now if it was not.

        Raises:
            ModelNotFoundError, ModelLoadFailedError, ModelLoadingError, ServiceUnavailableError: see `ModelCache.get`.
        """
        return self._cache.asked(key) or await self._cache.get(key)

    def models(self) -> list[ModelStatus]:
        """Models that answer, and models whose only versions were refused."""
        return [self._status(ModelKey(name)) for name in self._cache.names()]

    def answering(self) -> list[ServedModel]:
        """The champions that are loaded."""
        found = (self._cache.current(ModelKey(name)) for name in self._cache.names())
        return [served for served in found if served is not None]

    async def model(self, name: str) -> ModelStatus:
        """One model, loaded if it was not.

        Raises:
            ModelNotFoundError: no such model, or it has no champion yet.
        """
        key = ModelKey.of(name)
        with suppress(ModelLoadFailedError):  # the status tells
            await self.served(key)
        return self._status(key)

    async def take_up(self, name: str, version: str) -> ModelStatus:
        """What answers, once the new champion ``version`` was loaded or refused; loading goes on if it takes long."""
        key = ModelKey(name)
        with suppress(SluiceError, TimeoutError):  # the refresher tries again, and the status tells
            await asyncio.wait_for(self._cache.take_up(key, version), TAKE_UP_SECONDS)
        return self._status(key)

    def readiness(self) -> Readiness:
        """Ready when every required model is loaded, every configured one was tried, and callers can be told apart.

        A refused version does not end readiness: the one before it answers. Where callers need keys, readiness alone,
        which needs none, does not tell of models.
        """
        missing = [name for name in self._required if self._cache.current(ModelKey(name)) is None]
        ready = not missing and self._refresher.attempted and self._can_admit()
        return Readiness(ready=ready, missing=missing, models=[] if self._keys else self.models())

    def only_model(self) -> str:
        """The model meant by a request that names none, as MLflow's own clients do.

        Raises:
            InputInvalidError: there are several.
        """
        names = self._configured or tuple(self._cache.names())
        if len(names) != 1:
            known = ", ".join(names) or "none is loaded yet"
            raise InputInvalidError(field="model", problem=f"say which one, as ?model=NAME ({known}).")
        return names[0]

    def _status(self, key: ModelKey) -> ModelStatus:
        current = self._cache.current(key)
        refusal = self._cache.refusal(key)
        return ModelStatus(
            name=key.name,
            version=current.version.version if current else None,
            since=current.since if current else None,
            run_id=current.version.run_id if current else None,
            how=current.how if current else None,
            refused=Refused(version=refusal.version, problem=refusal.problem, at=refusal.at) if refusal else None,
        )
