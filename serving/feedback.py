"""What happened after a prediction, by its id: taken at once, joined as soon as the prediction is in the store."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta
from typing import Any, Literal, get_args

import bson
import orjson
from bson.errors import BSONError
from loguru import logger
from prometheus_client import CollectorRegistry, Counter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from serving.background import give_way
from serving.exchange import read_as
from serving.prediction_id import PATTERN, made_at
from serving.prediction_log import PredictionLog
from serving.served import now
from serving.told import WAITING, Told, find, join
from serving.trouble import Trouble
from sluice import document_json
from sluice.documents import DocumentStore
from sluice.errors import (
    DocumentDuplicateError,
    InputInvalidError,
    PredictionNotFoundError,
    ServiceRefusedError,
    ServiceUnavailableError,
)
from sluice.settings import PredictionLogSettings

LARGEST_OUTCOME = 16 << 10
JOIN_SECONDS = 2.0
JOINED_AT_ONCE = 200
# Clocks of servers differ; an id from later than this is nobody's.
MOST_AHEAD_SECONDS = 300.0
THREADS = 2
# Requests that wait keep their places, and predictions need those: beyond these bounds the spool takes it.
STORE_SECONDS = 5.0  # a busy disk takes a second now and then
DISK_SECONDS = 5.0
AWAY_SECONDS = 5.0
MOST_UNDER_WAY = 64

State = Literal["joined", "waiting", "known", "replaced", "sampled_out"]
EXPIRED = "expired"


class FeedbackBody(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    prediction_id: str = Field(pattern=PATTERN, description="as the answer with the prediction gave it")
    row: int | None = Field(None, ge=0, lt=2**31, description="which row, from 0; not needed for a prediction of one")
    outcome: Any = Field(description="what came true: any JSON of at most 16 KiB")
    model: str | None = Field(None, min_length=1, max_length=256, description="makes finding the prediction quicker")
    at: AwareDatetime | None = Field(None, description="when it happened")


class FeedbackAnswer(BaseModel):
    """What became of it.

    ``joined``: it stands beside its prediction. ``replaced``: so it does, instead of another outcome told before.
    ``waiting``: it is kept, and joined when the prediction is in the store. ``known``: it was told before, nothing is
    added. ``sampled_out``: the prediction was not kept, by the model's policy, so nothing is.
    """

    model_config = ConfigDict(frozen=True)

    prediction_id: str
    row: int
    state: State


class Feedback:
    """`take` is for the event loop; a thread of its own joins what waits.

    Args:
        models: names of all models that this process has served, for feedback that names none.
    """

    def __init__(
        self,
        open_store: Callable[[], DocumentStore],
        log: PredictionLog,
        models: Callable[[], Iterable[str]],
        settings: PredictionLogSettings,
        registry: CollectorRegistry,
    ) -> None:
        self._open_store = open_store
        self._log = log
        self._models = models
        self._patience = timedelta(days=settings.feedback_days)
        self._store: DocumentStore | None = None
        self._opening = threading.Lock()
        self._executor = ThreadPoolExecutor(THREADS, "feedback")
        self._spooling = ThreadPoolExecutor(1, "feedback spool")
        self._under_way = 0
        self._away_until = 0.0
        self._closing = threading.Event()
        self._trouble = Trouble("Feedback cannot be joined", "It waits.")
        self._taken = Counter("sluice_feedback_total", "Feedback by what became of it.", ("state",), registry=registry)
        for state in (*get_args(State), EXPIRED):
            self._taken.labels(state)
        self._thread = threading.Thread(target=self._join_all, name="feedback", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        for executor in (self._executor, self._spooling):
            executor.shutdown(wait=False, cancel_futures=True)
        if self._thread.ident is not None:
            self._thread.join(3)
        if self._store is not None:
            self._store.close()

    async def take(self, body: Any, caller: str) -> FeedbackAnswer:
        """Keep what a client tells of one of its predictions.

        Raises:
            InputInvalidError: naming the field that is wrong, or the row that the prediction does not have.
            PredictionNotFoundError: the prediction is not in the log and cannot be on its way any more.
            SpoolFullError, ServiceUnavailableError: neither the document store nor the disk can keep it now.
        """
        told = _read(body, caller)
        age = time.time() - made_at(told.prediction_id)
        if age < -MOST_AHEAD_SECONDS:
            raise PredictionNotFoundError(prediction_id=told.prediction_id, hint="Its time is in the future.")
        state = await self._soon(told, age) or await self._spooled(told)
        self._taken.labels(state).inc()
        return FeedbackAnswer(prediction_id=told.prediction_id, row=told.row or 0, state=state)

    async def _soon(self, told: Told, age: float) -> State | None:
        """What the store says of it; None where it is away, or too slow for somebody who waits."""
        if self._under_way >= MOST_UNDER_WAY or time.monotonic() < self._away_until:
            return None
        self._under_way += 1
        try:
            async with asyncio.timeout(STORE_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self._executor, self._placed, told, age)
        except (ServiceUnavailableError, ServiceRefusedError, TimeoutError):
            # One that has begun goes on in its thread; told twice, it counts once.
            self._away_until = time.monotonic() + AWAY_SECONDS
            return None
        finally:
            self._under_way -= 1

    def _placed(self, told: Told, age: float) -> State:
        store = self._opened()
        prediction = find(store, told, self._models())
        if prediction is not None:
            return join(store, told, prediction)
        if age > self._patience.total_seconds():
            raise PredictionNotFoundError(
                prediction_id=told.prediction_id,
                hint="The log does not have it (any more); feedback comes too late for it.",
            )
        models = {told.model} if told.model else set(self._models())
        if models and not any(self._log.keeps(model, told.prediction_id) for model in models):
            return "sampled_out"
        store.unique(WAITING, ["id"])
        try:
            store.insert(WAITING, [told.document])
        except DocumentDuplicateError:
            return "known"
        return "waiting"

    async def _spooled(self, told: Told) -> Literal["waiting"]:
        """The local spool brings it to the store. An acknowledged outcome survives a kill."""
        document = document_json.encode(told.document)
        try:
            async with asyncio.timeout(DISK_SECONDS):
                await asyncio.get_running_loop().run_in_executor(self._spooling, self._log.keep, WAITING, document)
        except OSError as error:  # which a timeout is too
            address, hint = "the document store and the local spool", f"{str(error) or 'The disk is too slow'}."
            raise ServiceUnavailableError(service="Feedback", address=address, hint=hint) from None
        return "waiting"

    def _opened(self) -> DocumentStore:
        with self._opening:
            if self._store is None:
                self._store = self._open_store()
            return self._store

    def _join_all(self) -> None:
        give_way()
        while not self._closing.wait(JOIN_SECONDS):
            try:
                while self._join_some() and not self._closing.is_set():
                    pass
                self._trouble.is_over()
            except Exception as error:  # it stays where it waits
                self._trouble.goes_on(error)

    def _join_some(self) -> bool:
        """Look once for the predictions of those that waited longest since the last look; whether to go on at once."""
        store = self._opened()
        waiting = store.find(WAITING, sort=[("tried_at", 1)], limit=JOINED_AT_ONCE)
        settled, failed = 0, None
        for document in waiting:
            try:
                settled += self._settled(store, document["id"], Told.of(document))
            except (ServiceUnavailableError, ServiceRefusedError):
                raise
            except Exception as error:  # with this one: it goes behind the others, which need not wait for it
                failed = error
                store.update(WAITING, {"id": document["id"]}, {"tried_at": now()})
        if failed is not None:
            raise failed
        return settled == JOINED_AT_ONCE

    def _settled(self, store: DocumentStore, id: str, told: Told) -> bool:
        state: str = EXPIRED
        try:
            prediction = find(store, told, self._models())
            if prediction is not None:
                state = join(store, told, prediction)
            elif now() - told.told_at < self._patience:
                store.update(WAITING, {"id": id}, {"tried_at": now()})
                return False
            else:
                logger.warning("Feedback on {} found no prediction and is dropped.", told.prediction_id)
        except InputInvalidError as error:
            logger.warning("Feedback on {} is dropped: {}", told.prediction_id, error)
        if store.delete(WAITING, {"id": id}):  # several servers may be at it
            self._taken.labels(state).inc()
        return True


def _read(body: Any, caller: str) -> Told:
    read = read_as(FeedbackBody, body)
    try:
        happened_at = read.at and read.at.astimezone(UTC)
    except OverflowError:  # its zone takes it out of the years 1 to 9999, which stores have
        raise InputInvalidError(field="at", problem="is no time that can be kept.") from None
    _check_outcome(read.outcome)
    return Told(
        prediction_id=read.prediction_id,
        row=read.row,
        outcome=read.outcome,
        model=read.model,
        told_at=now(),
        happened_at=happened_at,
        caller=caller,
    )


def _check_outcome(outcome: Any) -> None:
    try:
        size = len(orjson.dumps(outcome))
        if size <= LARGEST_OUTCOME:
            bson.encode({"outcome": outcome})  # has integers of 64 bits only, and no key with a NUL
    except (TypeError, OverflowError, BSONError) as error:
        raise InputInvalidError(field="outcome", problem=f"it cannot be kept as JSON: {error}.") from None
    if size > LARGEST_OUTCOME:
        raise InputInvalidError(
            field="outcome", problem=f"it has {size} bytes of JSON; {LARGEST_OUTCOME} are the most."
        )
