"""Predictions of a stream: a line of JSON a row in, a line a prediction out, in their order, while they come."""

from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

import orjson

from serving import errors
from serving.exchange import Call
from serving.scorer import Scorer
from serving.served import ServedModel
from serving.typed import TypedModel
from sluice.errors import InputInvalidError, SluiceError
from sluice.request_errors import BodyTooLargeError

TOGETHER = 256


class LineStream:
    """Args:
    longest: bytes that one line may have.
    """

    def __init__(self, scorer: Scorer, served: ServedModel, call: Call, longest: int) -> None:
        self._scorer, self._served, self._call, self._longest = scorer, served, call, longest
        self._typed = TypedModel.of(served)

    async def answers(self, chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """A line for each line: ``{"prediction_id", "row", "prediction"}``, or ``{"error"}`` as a problem document.

        What has come is answered before more is read, so whoever waits for an answer gets it.
        """
        rest = bytearray()
        try:
            async for chunk in chunks:
                first, *others = chunk.split(b"\n")
                rest += first
                if others:
                    lines, rest = [bytes(rest), *others[:-1]], bytearray(others[-1])
                    async for answer in self._all(lines):
                        yield answer
                if len(rest) > self._longest:
                    raise BodyTooLargeError(limit=self._longest)
        except SluiceError as error:  # also when nothing comes any more
            yield self._refused(error)
            return
        async for answer in self._all([bytes(rest)]):
            yield answer

    async def _all(self, lines: list[bytes]) -> AsyncIterator[bytes]:
        rows = [line for line in lines if line.strip()]
        for start in range(0, len(rows), TOGETHER):
            yield await self._together(rows[start : start + TOGETHER])

    async def _together(self, rows: list[bytes]) -> bytes:
        try:
            return await self._score(rows)
        except SluiceError as error:
            if len(rows) == 1:
                return self._refused(error)
        # One that is wrong must not take the others with it.
        return b"".join([await self._together([row]) for row in rows])

    async def _score(self, rows: list[bytes]) -> bytes:
        call = self._call
        try:
            # Line by line: what is no JSON alone could be some together with its neighbour.
            body = orjson.dumps({"rows": [orjson.loads(row) for row in rows]})
        except orjson.JSONDecodeError as error:
            raise InputInvalidError(field="line", problem=f"is not JSON: {error}") from None
        except orjson.JSONEncodeError:  # it reads more levels than it writes
            raise InputInvalidError(field="line", problem="is nested too deeply.") from None
        asked = Call(call.path, call.query, call.headers, body, call.caller, call.route, call.trace_id)
        scored = await self._scorer.score(self._served, asked, self._typed.read)
        found: Any = orjson.loads(scored.predictions)
        answers = found if isinstance(found, list) and len(found) == len(rows) else [found]
        told = ({"prediction_id": scored.id, "row": row, "prediction": one} for row, one in enumerate(answers))
        return b"".join(orjson.dumps(one) + b"\n" for one in told)

    def _refused(self, error: SluiceError) -> bytes:
        problem = errors.known(error, "POST", self._call.path, self._call.route)
        return b'{"error":' + problem.body + b"}\n"
