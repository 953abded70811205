"""Feedback: a clear answer each time, and every outcome beside its prediction once."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from serving import feedback as module
from serving.feedback import Feedback, FeedbackAnswer
from serving.prediction_id import id_maker
from serving.prediction_log import PredictionLog
from serving.told import WAITING
from sluice.documents import Document, DocumentStore
from sluice.embedded_documents import EmbeddedDocuments
from sluice.errors import InputInvalidError, PredictionNotFoundError, ServiceUnavailableError
from sluice.settings import PredictionLogSettings, Settings
from sluice.sources.access import Access
from sluice.sources.feedback import FeedbackOptions, FeedbackSource
from tests.serving.fakes import eventually
from tests.serving.predictions import Moody, logging_to, prediction

MODELS = ("movies", "credit-risk")


class Rig:
    """A service's log and feedback over one store."""

    def __init__(self, log: PredictionLog, feedback: Feedback, store: DocumentStore, registry: CollectorRegistry):
        self.log, self._feedback, self.store, self._registry = log, feedback, store, registry

    def tell(self, id: str, outcome: Any = 1, **more: Any) -> FeedbackAnswer:
        body = {"prediction_id": id, "outcome": outcome, **more}
        return asyncio.run(self._feedback.take(body, "shop"))

    def predicted(self, **fields: Any) -> str:
        """The id of a prediction that is in the store."""
        id = self.log.new_id()
        self.log.record(prediction(id, **fields))
        model = fields.get("model", "movies").replace("-", "_")
        eventually(lambda: self.store.count(f"{model}_predictions", {"id": id}))
        return id

    def told(self, model: str = "movies") -> list[Document]:
        return self.store.find(f"{model}_feedback", sort=[("row", 1)])

    def count(self, state: str) -> float | None:
        return self._registry.get_sample_value("sluice_feedback_total", {"state": state})


@pytest.fixture
def rig(
    tmp_path: Path,
    open_store: Callable[[], DocumentStore],
    documents_in: DocumentStore,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Rig]:
    monkeypatch.setattr(module, "JOIN_SECONDS", 0.05)
    registry = CollectorRegistry()
    with logging_to(tmp_path / "spool", open_store, registry) as log:
        feedback = Feedback(open_store, log, lambda: MODELS, PredictionLogSettings(), registry)
        feedback.start()
        yield Rig(log, feedback, documents_in, registry)
        feedback.close()


def test_late_feedback_is_joined_at_once(rig: Rig) -> None:
    """Outcome, features, output and version stand side by side; times are told apart."""
    id = rig.predicted(version="7")
    happened = datetime(2026, 11, 20, 12, tzinfo=UTC)
    answer = rig.tell(id, {"bought": True}, at=happened.isoformat())
    assert answer == FeedbackAnswer(prediction_id=id, row=0, state="joined")
    (told,) = rig.told()
    assert {name: told[name] for name in ("prediction_id", "row", "outcome", "model", "version", "caller")} == {
        "prediction_id": id, "row": 0, "outcome": {"bought": True}, "model": "movies", "version": "7", "caller": "shop",
    }  # fmt: skip
    assert (told["features"], told["output"]) == ({"a": 1, "b": "x"}, 0.5)
    assert told["happened_at"] == happened
    assert told["predicted_at"] <= told["told_at"] <= told["at"]
    assert rig.count("joined") == 1


def test_early_feedback_waits_for_its_prediction(rig: Rig) -> None:
    """It is joined when the prediction comes, and waits no longer."""
    id = rig.log.new_id()
    assert rig.tell(id, 4.5).state == "waiting"
    assert rig.tell(id, 4.5).state == "known"
    rig.log.record(prediction(id))
    eventually(lambda: [told["outcome"] for told in rig.told()] == [4.5])
    eventually(lambda: rig.store.count(WAITING) == 0)
    eventually(lambda: (rig.count("waiting"), rig.count("joined")) == (1, 1))


def test_the_same_told_twice_is_known(rig: Rig) -> None:
    """Clients try again; nothing is added, and a number is not taken for a truth."""
    id = rig.predicted()
    assert [rig.tell(id, 1).state for _ in range(2)] == ["joined", "known"]
    assert rig.tell(id, True).state == "replaced"
    assert len(rig.told()) == 1


def test_another_outcome_replaces_the_first_which_stays_in_the_history(rig: Rig) -> None:
    """And has a newer time, so that who reads on sees the correction."""
    id = rig.predicted()
    rig.tell(id, "good")
    (first,) = rig.told()
    assert rig.tell(id, "bad").state == "replaced"
    (second,) = rig.told()
    assert second["outcome"] == "bad"
    assert [before["outcome"] for before in second["history"]] == ["good"]
    assert second["at"] >= first["at"]
    assert second["features"] == first["features"]


def test_what_was_told_earlier_does_not_replace_what_was_told_later(rig: Rig) -> None:
    """Of two that waited for the prediction the last one told counts, in whatever order they are joined."""
    id = rig.log.new_id()
    assert rig.tell(id, "first").state == "waiting"
    time.sleep(0.01)
    assert rig.tell(id, "second").state == "waiting"
    rig.store.update(WAITING, {"outcome": "first"}, {"tried_at": datetime.now(UTC) + timedelta(days=1)})
    rig.log.record(prediction(id))
    eventually(lambda: rig.store.count(WAITING) == 0)
    assert [told["outcome"] for told in rig.told()] == ["second"]


def test_rows_of_one_prediction_have_outcomes_of_their_own(rig: Rig) -> None:
    """Each is joined with its own row, also where the prediction is several documents; a row is named."""
    id = rig.predicted(rows=[[number, "x"] for number in range(1500)], output=list(range(1500)), model="credit-risk")
    assert rig.tell(id, "late", row=1499).state == "joined"
    assert rig.tell(id, "early", row=3, model="credit-risk").state == "joined"
    early, late = rig.told("credit_risk")
    assert (early["features"]["a"], early["output"], early["outcome"]) == (3, 3, "early")
    assert (late["features"]["a"], late["output"], late["outcome"]) == (1499, 1499, "late")
    with pytest.raises(InputInvalidError, match="1500 rows; say which"):
        rig.tell(id, "?")
    with pytest.raises(InputInvalidError, match="from 0 to 1499"):
        rig.tell(id, "?", row=1500)


def test_early_feedback_on_a_row_that_never_was_is_dropped(rig: Rig) -> None:
    """It waited for a prediction that has fewer rows."""
    id = rig.log.new_id()
    assert rig.tell(id, row=5).state == "waiting"
    rig.log.record(prediction(id))
    eventually(lambda: rig.store.count(WAITING) == 0)
    assert rig.told() == []
    eventually(lambda: rig.count("expired") == 1)


def test_an_id_that_cannot_be_on_its_way_is_not_found(rig: Rig) -> None:
    """One from so long ago that its prediction would be there, and one from a time to come."""
    for days in (-8, 1):
        milliseconds = int((time.time() + days * 86400) * 1000)
        with pytest.raises(PredictionNotFoundError):
            rig.tell(f"{milliseconds:012x}{id_maker()()[12:]}")
    assert rig.store.count(WAITING) == 0


def test_what_waits_too_long_is_dropped(rig: Rig) -> None:
    """An id that nobody ever recorded does not wait for ever."""
    rig.tell(rig.log.new_id())
    rig.store.update(WAITING, {}, {"told_at": datetime.now(UTC) - timedelta(days=8)})
    eventually(lambda: rig.store.count(WAITING) == 0)
    eventually(lambda: rig.count("expired") == 1)


def test_a_prediction_that_was_sampled_out_is_said_to_be(rig: Rig) -> None:
    """Nothing waits for what never comes."""
    rig.log.set_policy("movies", "3", sample=0.0)
    assert rig.tell(rig.log.new_id(), model="movies").state == "sampled_out"
    assert rig.tell(rig.log.new_id()).state == "waiting"  # it may be another model's
    assert rig.store.count(WAITING) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"prediction_id": "x"}, "prediction_id"),
        ({"prediction_id": None}, "prediction_id"),
        ({"row": -1}, "row"),
        ({"row": "one"}, "row"),
        ({"at": "2026-11-20T12:00:00"}, "at"),
        ({"at": "9999-12-31T23:59:59-01:00"}, "at"),
        ({"outcome": "x" * 17_000}, "outcome"),
        ({"outcome": 2**64}, "outcome"),
        ({"outcome": {"\0": 1}}, "outcome"),
        ({"outcome": "\ud800"}, "outcome"),
        ({"model": ""}, "model"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_body_that_is_wrong_names_its_field(rig: Rig, change: dict[str, Any], field: str) -> None:
    """And nothing is kept of it."""
    with pytest.raises(InputInvalidError) as error:
        rig.tell(**{"id": rig.log.new_id(), **change})
    assert error.value.field == field
    assert error.value.status == 422
    assert rig.store.count(WAITING) == 0


@pytest.mark.parametrize("body", [None, [], "text", {}])
def test_a_body_that_is_no_feedback_is_refused(rig: Rig, body: Any) -> None:
    """Whatever JSON it is."""
    with pytest.raises(InputInvalidError):
        asyncio.run(rig._feedback.take(body, "shop"))


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[EmbeddedDocuments]:
    store = EmbeddedDocuments(str(tmp_path / "documents.db"))
    yield store
    store.close()


def test_without_a_store_it_is_kept_on_the_disk(
    tmp_path: Path, embedded: EmbeddedDocuments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accepted, and joined when the store is back, once, however often it was told meanwhile."""
    monkeypatch.setattr(module, "JOIN_SECONDS", 0.05)
    store: Any = Moody(embedded)
    store.away = True
    registry = CollectorRegistry()
    with logging_to(tmp_path / "spool", lambda: store, registry) as log:
        feedback = Feedback(lambda: store, log, lambda: MODELS, PredictionLogSettings(), registry)
        rig = Rig(log, feedback, embedded, registry)
        feedback.start()
        id = log.new_id()
        log.record(prediction(id))
        assert [rig.tell(id, 3).state for _ in range(2)] == ["waiting", "waiting"]
        store.away = False
        eventually(lambda: [told["outcome"] for told in rig.told()] == [3])
        eventually(lambda: embedded.count(WAITING) == 0)
        feedback.close()


def test_a_store_that_hangs_holds_nobody_up(
    tmp_path: Path, embedded: EmbeddedDocuments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All who tell wait for it together once, and those that come next not at all: they keep places of predictions."""
    monkeypatch.setattr(module, "JOIN_SECONDS", 0.05)
    monkeypatch.setattr(module, "STORE_SECONDS", 1.0)
    store: Any = Moody(embedded)
    store.answers.clear()
    with logging_to(tmp_path / "spool", lambda: store) as log:
        feedback = Feedback(lambda: store, log, lambda: MODELS, PredictionLogSettings(), CollectorRegistry())
        ids = [log.new_id() for _ in range(80)]
        for id in ids:
            log.record(prediction(id))

        async def told(some: list[str]) -> tuple[set[str], float]:
            started = time.monotonic()
            answers = [feedback.take({"prediction_id": id, "outcome": 1}, "shop") for id in some]
            states = {answer.state for answer in await asyncio.gather(*answers)}
            return states, time.monotonic() - started

        try:
            states, took = asyncio.run(told(ids))
            assert (states, took < 20) == ({"waiting"}, True)
            states, took = asyncio.run(told(ids[:1]))
            assert (states, took < 1.0) == ({"waiting"}, True)
        finally:
            store.answers.set()
        feedback.start()
        eventually(lambda: embedded.count("movies_feedback") == 80 and embedded.count(WAITING) == 0)
        feedback.close()


def test_a_row_whose_part_is_not_in_the_store_waits_for_it(rig: Rig) -> None:
    """Parts of a large prediction come in batches; one told too early does not hold up what others told."""
    id = rig.predicted(rows=[[number, "x"] for number in range(1500)], output=list(range(1500)))
    late = {"id": f"{id}-1"}
    eventually(lambda: rig.store.count("movies_predictions", late))
    (part,) = rig.store.find("movies_predictions", late)
    rig.store.delete("movies_predictions", late)
    assert rig.tell(id, "late", row=1499).state == "waiting"
    rig.store.insert("movies_predictions", [part])
    eventually(lambda: [(told["outcome"], told["output"]) for told in rig.told()] == [("late", 1499)])


def test_one_that_cannot_be_joined_does_not_hold_up_the_others(rig: Rig) -> None:
    """Whatever is wrong with it or with its prediction; it is tried again."""
    odd, good = rig.log.new_id(), rig.log.new_id()
    rig.tell(odd)
    rig.store.insert("movies_predictions", [{"id": odd, "first": 0}])
    rig.tell(good)
    rig.log.record(prediction(good))
    eventually(lambda: [told["prediction_id"] for told in rig.told()] == [good])
    eventually(lambda: [one["prediction_id"] for one in rig.store.find(WAITING)] == [odd])


def test_without_a_store_and_without_room_it_is_not_accepted(tmp_path: Path, embedded: EmbeddedDocuments) -> None:
    """The client tries again: the error is one of those that say when."""
    store: Any = Moody(embedded)
    store.away = True
    (tmp_path / "spool").touch()
    with logging_to(tmp_path / "spool", lambda: store) as log:
        feedback = Feedback(lambda: store, log, lambda: MODELS, PredictionLogSettings(), CollectorRegistry())
        rig = Rig(log, feedback, embedded, CollectorRegistry())
        with pytest.raises(ServiceUnavailableError) as error:
            rig.tell(log.new_id())
        assert error.value.status == 503
        feedback.close()


def test_a_disk_that_hangs_holds_nobody_up_either(
    tmp_path: Path, embedded: EmbeddedDocuments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client is told to try again."""
    monkeypatch.setattr(module, "DISK_SECONDS", 0.1)
    store: Any = Moody(embedded)
    store.away = True
    answers = threading.Event()
    with logging_to(tmp_path / "spool", lambda: store) as log:
        monkeypatch.setattr(log, "keep", lambda *_: answers.wait())
        feedback = Feedback(lambda: store, log, lambda: MODELS, PredictionLogSettings(), CollectorRegistry())
        try:
            with pytest.raises(ServiceUnavailableError, match="too slow"):
                Rig(log, feedback, embedded, CollectorRegistry()).tell(log.new_id())
        finally:
            answers.set()
        feedback.close()


def test_a_use_case_learns_from_it(rig: Rig) -> None:
    """The source of kind feedback reads what was joined, and after a correction that alone."""
    ids = sorted(rig.predicted() for _ in range(3))
    for id in ids:
        rig.tell(id, 1)
    access = Access(use_case="movies", settings=Settings(), documents=rig.store)
    source = FeedbackSource(FeedbackOptions(overlap=0), access)
    (frame,) = source.read(None)
    assert sorted(frame["prediction_id"]) == ids
    time.sleep(0.01)
    rig.tell(ids[1], 2)
    (again,) = FeedbackSource(FeedbackOptions(overlap=0), access).read(source.watermark)
    assert again.select("prediction_id", "outcome").rows() == [(ids[1], 2)]
