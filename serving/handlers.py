"""What the service does, without HTTP: `serving.routes` puts it on the wire."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from loguru import logger

from serving import invocations, recommendations
from serving.cache import ModelCache
from serving.predictor import ModelRaisedError, Predictor
from serving.refresher import Refresher
from serving.schemas import ModelStatus, Readiness, Recommendations, Refused
from serving.served import ServedModel, summary
from sluice.errors import (
    InputInvalidError,
    ModelLoadFailedError,
    ModelNotFoundError,
    PredictionFailedError,
    SluiceError,
)

LONGEST_NAME = 256


@dataclass(frozen=True)
class Scored:
    """An encoded answer of the scoring protocol, and who gave it."""

    body: bytes
    model: str
    version: str


class Handlers:
    """``configured`` are the models of the settings, ``required`` those that readiness asks for."""

    def __init__(
        self,
        cache: ModelCache,
        predictor: Predictor,
        refresher: Refresher,
        configured: Sequence[str],
        required: Sequence[str],
    ) -> None:
        self._cache = cache
        self._predictor = predictor
        self._refresher = refresher
        self._configured = tuple(configured)
        self._required = tuple(required)

    async def recommend(self, user_id: str, k: int, model: str) -> Recommendations:
        """The ``k`` best unseen items for a user, best first.

        Raises:
            InputInvalidError: the user id is not of the model's type, or the model recommends nothing.
            PredictionFailedError: the model raised.
        """
        served = await self._served(model)
        frame, params = recommendations.question(served, user_id, k)

        def work() -> Recommendations:
            try:
                answer = self._predictor.predict(served, frame, params)
                return recommendations.answer(served, frame, answer, k)
            except ModelRaisedError as raised:
                if isinstance(raised.cause, SluiceError) and raised.blames_input:
                    raise raised.cause from None
                self._note_failure(served, raised.cause)
                raise PredictionFailedError(
                    name=served.name, version=served.version.version, problem=summary(raised.cause)
                ) from raised.cause

        return await self._predictor.run(work)

    async def invoke(self, model: str | None, body: bytes, content_type: str) -> Scored:
        """MLflow's scoring protocol.

        Raises:
            MediaTypeUnsupportedError, PayloadInvalidError: the body cannot be read, or does not fit the model.
        """
        served = await self._served(model or self._only_model())

        def work() -> bytes:
            invocation = invocations.parse(body, content_type, served.signature.inputs)
            try:
                prediction = self._predictor.predict(served, invocation.data, invocation.params)
                return invocations.encode(prediction)
            except ModelRaisedError as raised:
                if not raised.blames_input:
                    self._note_failure(served, raised.cause)
                raise invocations.refusal(invocation, raised.cause) from None
            except (TypeError, ValueError, RecursionError) as error:
                self._note_failure(served, error)
                raise invocations.refusal(invocation, error) from None

        return Scored(await self._predictor.run(work), served.name, served.version.version)

    def models(self) -> list[ModelStatus]:
        """Models that answer, and models whose only versions were refused."""
        return [self._status(name) for name in self._cache.names()]

    async def model(self, name: str) -> ModelStatus:
        """One model, loaded if it was not.

        Raises:
            ModelNotFoundError: no such model, or it has no champion yet.
        """
        with suppress(ModelLoadFailedError):  # the status tells
            await self._served(name)
        return self._status(name)

    def readiness(self) -> Readiness:
        """Ready when every required model is loaded, and every configured one was tried.

        A refused version does not end readiness: the one before it answers.
        """
        missing = [name for name in self._required if self._cache.current(name) is None]
        ready = not missing and self._refresher.attempted
        return Readiness(ready=ready, missing=missing, models=self.models())

    async def _served(self, name: str) -> ServedModel:
        if not 0 < len(name) <= LONGEST_NAME or not name.isprintable() or {"/", ":"} & set(name):
            raise ModelNotFoundError(name=name[:LONGEST_NAME], wanted="", hint="No model can have that name.")
        return await self._cache.get(name)

    def _only_model(self) -> str:
        """The model meant by a request that names none, as MLflow's own clients do."""
        names = self._configured or tuple(self._cache.names())
        if len(names) != 1:
            known = ", ".join(names) or "none is loaded yet"
            raise InputInvalidError(field="model", problem=f"say which one, as ?model=NAME ({known}).")
        return names[0]

    def _note_failure(self, served: ServedModel, error: BaseException) -> None:
        self._predictor.failed(served)
        version = served.version.version
        logger.bind(model=served.name, model_version=version).opt(exception=error).warning(
            "{} {} raised on an input that fits its signature.", served.name, version
        )

    def _status(self, name: str) -> ModelStatus:
        current = self._cache.current(name)
        refusal = self._cache.refusal(name)
        return ModelStatus(
            name=name,
            version=current.version.version if current else None,
            since=current.since if current else None,
            run_id=current.version.run_id if current else None,
            refused=Refused(version=refusal.version, problem=refusal.problem, at=refusal.at) if refusal else None,
        )
