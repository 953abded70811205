"""The prediction log: what was recorded is in the store once, whatever happens in between."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from loguru import logger
from prometheus_client import CollectorRegistry

from serving import prediction_log
from serving.prediction_log import PredictionLog
from sluice.documents import DocumentStore
from sluice.embedded_documents import EmbeddedDocuments
from sluice.settings import PredictionLogSettings
from tests.serving.fakes import eventually
from tests.serving.predictions import FLUSH_SECONDS, Moody, logging_to, prediction, unavailable

Open = Callable[[], DocumentStore]


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[EmbeddedDocuments]:
    store = EmbeddedDocuments(str(tmp_path / "documents.db"))
    yield store
    store.close()


@pytest.fixture
def said() -> Iterator[list[str]]:
    """What is logged as a warning or an error, and when trouble ends."""
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(message.record["message"]), level="INFO")
    yield lines
    logger.remove(sink)


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"sluice_prediction_log_{name}", labels)


def ids(store: DocumentStore, collection: str = "movies_predictions") -> list[str]:
    return [document["id"] for document in store.find(collection, sort=[("id", 1)])]


def test_every_prediction_is_in_the_store_once(
    tmp_path: Path, open_store: Open, documents_in: DocumentStore, registry: CollectorRegistry
) -> None:
    """Of several models, from lists and arrays, in batches of the shipper; nothing is left behind on the disk."""
    recorded = []
    with logging_to(tmp_path / "spool", open_store, registry) as log:
        for number in range(1500):
            recorded.append(log.new_id())
            rows = np.array([[number, 2**53 + 1]]) if number % 2 else [[number, "x"]]
            log.record(prediction(recorded[-1], rows=rows, model="movies" if number % 3 else "credit-risk"))
        eventually(lambda: value(registry, "backlog") == 0, seconds=60)
    assert ids(documents_in) == [id for number, id in enumerate(recorded) if number % 3]
    assert ids(documents_in, "credit_risk_predictions") == recorded[::3]
    one = documents_in.find_one("movies_predictions", {"id": recorded[1]})
    assert one is not None
    assert one["features"] == {"a": [1], "b": [2**53 + 1]}
    assert abs(one["at"].timestamp() - time.time()) < 60
    assert [path.name for path in (tmp_path / "spool").iterdir()] == ["lock"]


def test_metrics_exist_from_the_start_and_count(tmp_path: Path, open_store: Open, registry: CollectorRegistry) -> None:
    """At zero, since an increase from nothing is not seen; later by model."""
    with logging_to(tmp_path, open_store, registry) as log:
        log.set_policy("movies", "3")
        assert value(registry, "backlog") == 0
        assert value(registry, "written_total", model="movies") == 0
        assert value(registry, "sampled_out_total", model="movies") == 0
        for reason in ("memory", "spool", "disk", "refused"):
            assert value(registry, "lost_total", reason=reason) == 0
        for _ in range(10):
            log.record(prediction(log.new_id()))
        eventually(lambda: value(registry, "written_total", model="movies") == 10)
        eventually(lambda: value(registry, "backlog") == 0)


def test_a_sample_is_kept_and_the_rest_counted(
    tmp_path: Path, embedded: EmbeddedDocuments, registry: CollectorRegistry
) -> None:
    """About the share that was asked for, and `keeps` says of each id whether it is in it."""
    with logging_to(tmp_path / "spool", lambda: embedded, registry) as log:
        log.set_policy("movies", "3", sample=0.25)
        recorded = [log.new_id() for _ in range(4000)]
        for id in recorded:
            log.record(prediction(id))
        eventually(lambda: value(registry, "backlog") == 0, seconds=60)
    stored = ids(embedded)
    assert 800 < len(stored) < 1200
    assert stored == [id for id in recorded if log.keeps("movies", id)]
    assert value(registry, "sampled_out_total", model="movies") == 4000 - len(stored)
    assert log.keeps("another", recorded[0])


def test_a_redacted_field_is_written_nowhere(tmp_path: Path) -> None:
    """Not in the store, and not on the disk on its way there."""

    def away() -> DocumentStore:
        raise unavailable()

    with logging_to(tmp_path, away) as log:
        log.set_policy("movies", "3", redact=frozenset({"b"}))
        log.record(prediction(log.new_id(), rows=[[1, "secret"]], output=[{"b": "secret", "score": 1}]))
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b'"a":[1]' in written
    assert b"secret" not in written


def test_each_version_has_a_policy_of_its_own(tmp_path: Path, embedded: EmbeddedDocuments) -> None:
    """A challenger that is loaded beside the champion does not change what is kept of the champion's."""
    with logging_to(tmp_path / "spool", lambda: embedded) as log:
        log.set_policy("movies", "3", redact=frozenset({"b"}))
        log.set_policy("movies", "4", sample=0.0)
        id = log.new_id()
        log.record(prediction(id, rows=[[1, "a secret"]]))
        log.record(prediction(log.new_id(), version="4"))
        assert log.keeps("movies", id)  # whoever asks does not know the version
        eventually(lambda: embedded.count("movies_predictions"))
    (one,) = embedded.find("movies_predictions")
    assert (one["id"], one["features"]) == (id, {"a": [1], "b": [None]})


def test_a_store_that_is_away_loses_nothing(
    tmp_path: Path, embedded: EmbeddedDocuments, registry: CollectorRegistry, said: list[str]
) -> None:
    """Each prediction is in it once after it is back, one that it took and did not confirm too; one line tells each."""
    store = Moody(embedded)
    with logging_to(tmp_path / "spool", lambda: store, registry) as log:  # type: ignore[arg-type, return-value] # it has all of the port's methods
        recorded = [log.new_id() for _ in range(1200)]
        for id in recorded[:400]:
            log.record(prediction(id))
        eventually(lambda: len(ids(embedded)) == 400)
        store.away, calls = True, store.calls
        for id in recorded[400:800]:
            log.record(prediction(id))
        eventually(lambda: store.calls >= calls + 3)
        assert value(registry, "backlog") == 400
        store.away, store.fails_after = False, {"insert_encoded"}
        for id in recorded[800:]:
            log.record(prediction(id))
        eventually(lambda: value(registry, "backlog") == 0)
    assert ids(embedded) == recorded
    assert len([line for line in said if "takes no predictions: The document store" in line]) == 1
    assert len([line for line in said if "works again" in line]) == 1


def test_what_the_store_refuses_stops_nothing_else(
    tmp_path: Path, open_store: Open, documents_in: DocumentStore, registry: CollectorRegistry, said: list[str]
) -> None:
    """An output that pretends to be JSON is counted and named; those beside it are kept."""
    with logging_to(tmp_path / "spool", open_store, registry) as log:
        recorded = [log.new_id() for _ in range(20)]
        for number, id in enumerate(recorded):
            log.record(prediction(id, output=b"[1" if number == 7 else [1]))
        eventually(lambda: value(registry, "backlog") == 0, seconds=60)
    assert ids(documents_in) == recorded[:7] + recorded[8:]
    assert value(registry, "lost_total", reason="refused") == 1
    assert any(recorded[7] in line for line in said)


def test_a_full_spool_is_counted(
    tmp_path: Path, embedded: EmbeddedDocuments, registry: CollectorRegistry, said: list[str]
) -> None:
    """The oldest stay, and are in the store when it is back."""
    store = Moody(embedded)
    store.away = True
    with logging_to(tmp_path / "spool", lambda: store, registry, max_mib=1) as log:  # type: ignore[arg-type, return-value] # as above
        recorded = [log.new_id() for _ in range(8)]
        for number, id in enumerate(recorded):
            log.record(prediction(id, rows=[[number, "x" * 200_000]]))
            time.sleep(0.15)  # a flush for each
        eventually(lambda: (value(registry, "lost_total", reason="spool") or 0) > 0)
        store.away = False
        eventually(lambda: value(registry, "backlog") == 0)
        after = log.new_id()
        log.record(prediction(after))
        eventually(lambda: after in ids(embedded))
    kept = ids(embedded)
    assert kept == [*recorded[: len(kept) - 1], after]
    assert value(registry, "lost_total", reason="spool") == 9 - len(kept)
    assert sum("cannot write" in line for line in said) == 2


def test_memory_is_bounded_while_nothing_writes(
    tmp_path: Path, embedded: EmbeddedDocuments, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that hangs must not take the service with it; what has no room is counted."""
    monkeypatch.setattr(prediction_log, "MOST_WAITING", 10)
    log = PredictionLog(tmp_path / "spool", lambda: embedded, "test:1", PredictionLogSettings(), registry)
    for _ in range(15):
        log.record(prediction(log.new_id()))
    log.start()
    log.close()
    assert len(ids(embedded)) == 10
    assert value(registry, "lost_total", reason="memory") == 5


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"only who may mount can fill a disk: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_counted_and_gets_over(
    small_disk: Path, embedded: EmbeddedDocuments, registry: CollectorRegistry, said: list[str]
) -> None:
    """Recording goes on; when there is room again, what comes then is kept."""
    with logging_to(small_disk / "spool", lambda: embedded, registry) as log:
        first, last = log.new_id(), ""
        log.record(prediction(first))
        eventually(lambda: ids(embedded) == [first])
        filler = small_disk / "filler"
        with pytest.raises(OSError, match="No space"):
            filler.write_bytes(b"x" * (2 << 20))
        for _ in range(10):
            log.record(prediction(log.new_id()))
        eventually(lambda: value(registry, "lost_total", reason="disk") == 10)
        filler.unlink()
        last = log.new_id()
        log.record(prediction(last))
        eventually(lambda: ids(embedded) == [first, last])
    assert sum("No space left" in line for line in said) == 1
    assert sum("works again" in line for line in said) == 1


BUSY_SECONDS = 0.7  # for which the machine of the tests may not let the child's threads run

_RECORDS = f"""
import pathlib, sys, time
from prometheus_client import CollectorRegistry
from serving.prediction_log import PredictionLog
from sluice.embedded_documents import EmbeddedDocuments
from sluice.settings import PredictionLogSettings
from tests.serving.predictions import prediction, unavailable

folder, store = pathlib.Path(sys.argv[1]), sys.argv[2]

def open_store():
    if not store:
        raise unavailable()
    return EmbeddedDocuments(store)

settings = PredictionLogSettings(flush_seconds={FLUSH_SECONDS})
log = PredictionLog(folder, open_store, "child:1", settings, CollectorRegistry())
log.start()
while True:
    id = log.new_id()
    log.record(prediction(id))
    print(id, time.time(), flush=True)
    time.sleep(0.0005)
"""


@pytest.mark.parametrize("shipping", [True, False])
def test_a_kill_loses_the_flush_window_at_most(tmp_path: Path, embedded: EmbeddedDocuments, shipping: bool) -> None:
    """All that is older is in the store once after the next start, if the killed process had shipped some or none."""
    spool, store = str(tmp_path / "spool"), str(tmp_path / "documents.db")
    arguments = [sys.executable, "-c", _RECORDS, spool, store if shipping else ""]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as child:
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(2)
        child.send_signal(signal.SIGKILL)
        killed = time.time()
        recorded = [line.split() for line in child.stdout.read().splitlines()[:-1]]  # the last may be cut
    safe = [id for id, at in recorded if float(at) < killed - FLUSH_SECONDS - BUSY_SECONDS]
    assert len(safe) > 100
    with logging_to(Path(spool), lambda: embedded):
        eventually(lambda: set(safe) <= set(ids(embedded)))
    stored = ids(embedded)
    assert len(stored) == len(set(stored))
    assert not [path for path in Path(spool).iterdir() if path.is_dir()]


def test_a_line_that_a_kill_cut_is_left_out(
    tmp_path: Path, embedded: EmbeddedDocuments, registry: CollectorRegistry, said: list[str]
) -> None:
    """Those before it are kept, and it is not taken for something that the store refused."""
    left = tmp_path / "spool" / "gone-1"
    left.mkdir(parents=True)
    line = b'movies_predictions movies {"id":"%b"}\n'
    (left / "1.jsonl").write_bytes(line % b"a" + line % b"b" + (line % b"c")[:-5])
    with logging_to(tmp_path / "spool", lambda: embedded, registry):
        eventually(lambda: ids(embedded) == ["a", "b"])
        eventually(lambda: value(registry, "backlog") == 0)
    assert value(registry, "lost_total", reason="refused") == 0
    assert not left.exists()


def test_a_log_that_was_never_started_closes(tmp_path: Path, embedded: EmbeddedDocuments) -> None:
    """A service that fails while it starts still ends."""
    PredictionLog(tmp_path, lambda: embedded, "test:1", PredictionLogSettings(), CollectorRegistry()).close()
    assert os.listdir(tmp_path) == []


def test_policies_may_change(tmp_path: Path, embedded: EmbeddedDocuments, registry: CollectorRegistry) -> None:
    """Those left out before count all the same."""
    with logging_to(tmp_path / "spool", lambda: embedded, registry) as log:
        log.set_policy("movies", "3", sample=0.0)
        log.record(prediction(log.new_id()))
        log.set_policy("movies", "3", sample=1.0)
        kept: Any = log.new_id()
        log.record(prediction(kept))
    assert ids(embedded) == [kept]
    assert value(registry, "sampled_out_total", model="movies") == 1
