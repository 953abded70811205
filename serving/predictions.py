"""The routes that predict, from a read request to an answer in bytes."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from functools import partial
from time import perf_counter
from typing import Any

import orjson

from serving import invocations, liked_items, recommendations
from serving.exchange import JSON, Answer, Call, encoded
from serving.handlers import Handlers
from serving.model_key import ModelKey
from serving.predictor import ModelRaisedError
from serving.scorer import Scorer
from serving.served import ServedModel, summary
from serving.stream import LineStream
from serving.typed import TypedModel
from sluice.errors import PredictionFailedError, SluiceError

ID_HEADER = "X-Sluice-Prediction-Id"
_ID = ID_HEADER.lower().encode()
_JSON = (b"content-type", JSON)


class Predictions:
    """``longest_line`` is how many bytes a line of a stream may have."""

    def __init__(self, handlers: Handlers, scorer: Scorer, longest_line: int) -> None:
        self._handlers, self._scorer, self._longest_line = handlers, scorer, longest_line

    async def invocations(self, call: Call) -> Answer:
        """MLflow's scoring protocol. Headers say which version answered, and the prediction's id.

        Raises:
            MediaTypeUnsupportedError, PayloadInvalidError: the body cannot be read, or does not fit the model.
        """
        served = call.served = await self._served(call.params)
        content_type = call.header(b"content-type")
        scored = await self._scorer.score(served, call, lambda body: invocations.read(body, content_type))
        body = scored.predictions if scored.plain else b'{"predictions":' + scored.predictions + b"}"
        return Answer(200, body, (_JSON, (_ID, scored.id.encode()), *served.headers))

    async def predict(self, call: Call, name: str) -> Answer:
        """Rows with the columns of the signature, and an answer that tells who gave it.

        Raises:
            InputInvalidError, RowsInvalidError: naming each field that is wrong.
        """
        params = call.params
        served = call.served = await self._handlers.served(
            ModelKey.of(name, params.get("version"), params.get("alias"))
        )
        typed = TypedModel.of(served)
        scored = await self._scorer.score(served, call, typed.read)
        return Answer(200, _own(served, scored.id, b'"predictions":' + scored.predictions), (_JSON,))

    async def stream(self, call: Call, name: str, chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """Lines in, lines out; see `LineStream.answers`."""
        params = call.params
        served = await self._handlers.served(ModelKey.of(name, params.get("version"), params.get("alias")))
        return LineStream(self._scorer, served, call, self._longest_line).answers(chunks)

    async def recommend(self, call: Call, user_id: str) -> Answer:
        """The best items that the user has not seen. An unknown user gets the popular ones.

        Raises:
            InputInvalidError: a parameter is out of its bounds, or the model recommends nothing.
        """
        started = perf_counter()
        params = call.params
        served = call.served = await self._recommender(params)
        asked = recommendations.Question.of(user_id, params)
        user = recommendations.user_of(served, user_id)
        quick = served.recommender
        try:
            if quick is not None:
                known, items = self._scorer.timed(served, partial(recommendations.quick, quick, user, asked))
            else:
                work = partial(self._recommend_in_thread, served, user, asked)
                known, items = await self._scorer.bounded(work)
        except ModelRaisedError as raised:
            if isinstance(raised.cause, SluiceError) and raised.blames_input:
                raise raised.cause from None
            self._scorer.note_failure(served, raised.cause)
            raise PredictionFailedError(
                name=served.name, version=served.version.version, problem=summary(raised.cause)
            ) from raised.cause
        if not known:
            self._scorer.fell_back(served)
        found = orjson.dumps(items)
        made = self._scorer.record(served, call, started, (recommendations.USER,), [[user]], found)
        rest = orjson.dumps({"user_id": user, "known": known})[1:-1] + b',"items":' + found
        return Answer(200, _own(served, made, rest), (_JSON,))

    async def recommend_from(self, call: Call) -> Answer:
        """The best items for somebody who likes those that the body names.

        Raises:
            InputInvalidError: naming each field that is wrong, or the model has no catalogue.
        """
        started = perf_counter()
        served = call.served = await self._recommender(call.params)
        liked = liked_items.read(call.body)
        model = liked_items.recommender_of(served)
        known, unknown, items = self._scorer.timed(served, partial(liked_items.recommend, model, liked))
        if not known:
            self._scorer.fell_back(served)
        found = orjson.dumps(items)
        made = self._scorer.record(served, call, started, (liked_items.ITEMS,), [[liked.items]], found)
        rest = orjson.dumps({"known": known, "unknown": unknown})[1:-1] + b',"items":' + found
        return Answer(200, _own(served, made, rest), (_JSON,))

    async def items(self, call: Call) -> Answer:
        """Items of a recommender's catalogue by their title.

        Raises:
            InputInvalidError: a parameter is wrong, or the model has no catalogue.
        """
        served = await self._recommender(call.params)
        model = liked_items.recommender_of(served)
        found = await self._scorer.bounded(lambda: liked_items.search(model, call.params))
        return encoded({"model": served.name, "version": served.version.version, "items": found})

    def _recommend_in_thread(
        self, served: ServedModel, user: int | str, asked: recommendations.Question
    ) -> tuple[bool, list[dict[str, Any]]]:
        return recommendations.general(served, user, asked, self._scorer.predict)

    async def _recommender(self, params: Mapping[str, str]) -> ServedModel:
        name = params.get("model", "movies")
        return await self._handlers.served(ModelKey.of(name, params.get("version"), params.get("alias")))

    async def _served(self, params: Mapping[str, str]) -> ServedModel:
        name = params.get("model") or self._handlers.only_model()
        return await self._handlers.served(ModelKey.of(name, params.get("version"), params.get("alias")))


def _own(served: ServedModel, made: str, rest: bytes) -> bytes:
    """An answer of our own routes: ``rest`` is the inside of an object."""
    return b'{"prediction_id":"' + made.encode() + b'",' + served.told + b"," + rest + b"}"
