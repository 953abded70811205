"""The routes of the Open Inference Protocol, version 2, as KServe and Triton speak it."""

from dataclasses import dataclass
from time import perf_counter
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from serving import invocations
from serving.exchange import Answer, Call, encoded
from serving.handlers import Handlers
from serving.model_key import ModelKey
from serving.open_inference import metadata
from serving.open_inference.model_input import InputReader
from serving.open_inference.request import InferRequest, decode, header_length
from serving.open_inference.response import Headers, ResponseWriter
from serving.predictions import ID_HEADER
from serving.predictor import ModelRaisedError
from serving.scorer import QUICK_BYTES, Scorer, logged, rows_in
from serving.served import ServedModel, summary
from sluice.errors import PayloadInvalidError, PredictionFailedError

_ID = ID_HEADER.lower().encode()
_LENGTH = b"inference-header-content-length"


@dataclass(frozen=True)
class _Codec:
    reader: InputReader
    writer: ResponseWriter


class _Encoded(NamedTuple):
    """An answer, and what the log is to have of it."""

    headers: Headers
    body: bytes
    columns: tuple[str, ...]
    rows: Any
    predictions: bytes


class Inference:
    """``infer`` is the one that must be quick; the others tell what there is."""

    def __init__(self, handlers: Handlers, scorer: Scorer) -> None:
        self._handlers, self._scorer = handlers, scorer
        self._codecs: WeakKeyDictionary[ServedModel, _Codec] = WeakKeyDictionary()

    async def infer(self, call: Call, name: str, version: str | None = None) -> Answer:
        """One inference request, in JSON or with binary tensors.

        Raises:
            PayloadInvalidError: naming the member or the tensor that is wrong.
        """
        started = perf_counter()
        served = call.served = await self._handlers.served(ModelKey.of(name, version))
        codec = self._codec(served)
        length = header_length(call.header(_LENGTH) or None)
        request: InferRequest | None = None
        if len(call.body) <= QUICK_BYTES and served.runner is not None:
            request = decode(call.body, length)
            data = codec.reader.read(request)
            self._scorer.check_rows(rows_in(data))
            if isinstance(data, np.ndarray) and not request.params:
                try:
                    output = await self._scorer.matrix(served, data)
                except ModelRaisedError:  # whose fault it is shows when MLflow looks at the input first
                    pass
                else:
                    return self._answer(served, call, started, self._encoded(served, codec, request, data, output))
        made = await self._scorer.bounded(lambda: self._slowly(served, codec, call, length, request))
        return self._answer(served, call, started, made)

    async def ready(self, call: Call, name: str, version: str | None = None) -> Answer:
        """Whether the model answers; it is loaded for that."""
        await self._handlers.served(ModelKey.of(name, version))
        return encoded({"name": name, "ready": True})

    async def metadata(self, call: Call, name: str, version: str | None = None) -> Answer:
        """A model's inputs and outputs by its signature."""
        served = await self._handlers.served(ModelKey.of(name, version))
        return encoded(metadata.model_metadata(name, [served.version.version], served.signature))

    async def server(self, call: Call) -> Answer:
        return encoded(metadata.server_metadata())

    async def server_live(self, call: Call) -> Answer:
        return encoded({"live": True})

    async def server_ready(self, call: Call) -> Answer:
        ready = self._handlers.readiness().ready
        return encoded({"ready": ready}, 200 if ready else 503)

    async def index(self, call: Call) -> Answer:
        """The models that there are."""
        models = self._handlers.models()
        found = ((one.name, one.version or "", one.refused.problem if one.refused else "") for one in models)
        return encoded(metadata.repository_index(found))

    def _codec(self, served: ServedModel) -> _Codec:
        codec = self._codecs.get(served)
        if codec is None:
            signature = served.signature
            writer = ResponseWriter(served.name, served.version.version, signature.outputs)
            codec = self._codecs[served] = _Codec(InputReader(signature.inputs), writer)
        return codec

    def _slowly(
        self, served: ServedModel, codec: _Codec, call: Call, length: int | None, request: InferRequest | None
    ) -> _Encoded:
        asked = request or decode(call.body, length)
        data = codec.reader.read(asked)
        self._scorer.check_rows(rows_in(data))
        if isinstance(data, np.ndarray) and served.rows is not None:
            data = served.rows.frame(data)
        try:
            output = self._scorer.predict(served, data, asked.params or None)
        except ModelRaisedError as raised:
            if not raised.blames_input:
                self._scorer.note_failure(served, raised.cause)
            # As in the scoring protocol: what a model raises on is the input's fault.
            raise PayloadInvalidError(field="inputs", problem=summary(raised.cause)) from None
        return self._encoded(served, codec, asked, data, output)

    def _encoded(self, served: ServedModel, codec: _Codec, request: InferRequest, data: Any, output: Any) -> _Encoded:
        try:
            headers, body = codec.writer.write(request, output)
            predictions = invocations.encode(output)
        except (TypeError, ValueError, RecursionError) as error:
            self._scorer.note_failure(served, error)
            problem = f"its output has no form in the protocol: {summary(error)}"
            raise PredictionFailedError(name=served.name, version=served.version.version, problem=problem) from error
        quick = isinstance(data, np.ndarray) and served.rows is not None
        columns, rows = (served.rows.names, data) if quick and served.rows else logged(data)
        return _Encoded(headers, body, columns, rows, predictions)

    def _answer(self, served: ServedModel, call: Call, started: float, made: _Encoded) -> Answer:
        id = self._scorer.record(served, call, started, made.columns, made.rows, made.predictions)
        return Answer(200, made.body, (*made.headers, (_ID, id.encode()), *served.headers))
