"""The prediction log of the real service under load: its store away, its process killed, its disk full."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from sluice.mongo_documents import MongoDocuments
from sluice.settings import PredictionLogSettings
from tests.chaos.asked import three_protocols
from tests.chaos.conftest import StartService
from tests.chaos.disk_delay import disk_delay
from tests.chaos.load import load
from tests.chaos.stored import stored, stored_in
from tests.mongodb import secantusdb

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.slow]

RATE = 300
AWAY_SECONDS = 30.0
FLUSH_SECONDS: float = PredictionLogSettings().flush_seconds
LOST, BACKLOG = "sluice_prediction_log_lost_total", "sluice_prediction_log_backlog"


@pytest.mark.rare
def test_store_killed_for_30_seconds(start_service: StartService, tmp_path: Path) -> None:
    """The store dies under load and comes back: every prediction that was answered is in it exactly once."""
    folder = tmp_path / "mongodb"
    folder.mkdir()
    with ExitStack() as running:
        server = running.enter_context(secantusdb(folder))
        uri = f"mongodb://{server.address}/"
        service = start_service("line", DOCUMENTS__URI=uri)
        with load(service.address, tmp_path, three_protocols("line"), RATE) as run:
            time.sleep(4)
            os.kill(server.pid, signal.SIGKILL)
            time.sleep(AWAY_SECONDS)
            waited = service.metric(BACKLOG)
            running.enter_context(secantusdb(folder, int(server.address.rpartition(":")[2])))
            came_back = time.monotonic()
            time.sleep(4)
        service.until(lambda: service.metric(BACKLOG) == 0, 60)
        took = time.monotonic() - came_back
        store = MongoDocuments(uri, "sluice")
        kept = stored(store, "line")
        store.close()
        assert run.statuses() == {200: len(run.answers)}
        assert waited > 0.8 * RATE * AWAY_SECONDS
        assert kept == Counter(run.ids())
        assert service.metric(LOST) == 0
    sys.stdout.write(
        f"\n{len(run.answers)} answered, {waited:g} waited, the store had all {took:.1f} s after it came\n"
    )


def test_killed_service_loses_at_most_the_flush_window(start_service: StartService, tmp_path: Path) -> None:
    """``kill -9`` under load: what was answered a flush window before is in the store after the next start, once.

    A machine that other work keeps busy adds what it keeps any such writer waiting.
    """
    service = start_service("line")
    with (
        disk_delay(tmp_path) as disk,
        load(service.address, tmp_path, three_protocols("line"), RATE) as run,
    ):
        time.sleep(4)
        killed = time.time()
        service.kill()
        time.sleep(0.5)
    certain = set(run.ids(lambda answer: answer.done <= killed - FLUSH_SECONDS - disk.longest))
    assert len(certain) > RATE, f"the disk takes {disk.longest:.1f} s to write a file"
    service.start()
    with suppress(AssertionError):  # the comparison below says more; what still waits in the spool is not lost
        service.until(lambda: certain <= stored_in(service.home, "line").keys(), 90)
    service.stop()
    kept = stored_in(service.home, "line")
    lost = [answer for answer in run.answers if answer.status == 200 and answer.id not in kept]
    assert max(kept.values()) == 1
    assert not certain - kept.keys(), f"{len(certain - kept.keys())} of {len(certain)}, {len(kept)} are in the store"
    # What has no answer was under way in the moment of the kill.
    assert all(answer.sent <= killed + 0.5 for answer in run.answers if answer.status != 200)
    window = max((killed - answer.done for answer in lost), default=0.0)
    sys.stdout.write(
        f"\n{len(run.ids())} answered, {len(lost)} lost, the oldest {window:.3f} s before the kill; "
        f"the disk took {disk.longest:.3f} s at most\n"
    )


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "home"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "sluice", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a full disk needs the right to mount one: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_full_disk_is_survived_and_its_loss_counted(
    tiny_disk: Path, start_service: StartService, tmp_path: Path
) -> None:
    """No request fails, exactly what is not in the store counts as lost, and with room again nothing more is lost."""
    service = start_service("line", home=tiny_disk)
    ballast = tiny_disk / "ballast"
    with load(service.address, tmp_path, three_protocols("line"), RATE) as run:
        time.sleep(3)
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        service.until(lambda: service.metric(LOST, reason="disk") > RATE, 20)
        assert service.get("/readyz").status_code == 200
        ballast.unlink()
        freed = time.time()
        time.sleep(4)
    service.until(lambda: service.metric(BACKLOG) == 0)
    lost = service.metric(LOST, reason="disk")
    assert service.metric(LOST) == lost
    assert "The prediction log cannot write" in service.log()
    service.stop()
    kept = stored_in(tiny_disk, "line")
    assert run.statuses() == {200: len(run.answers)}
    assert max(kept.values()) == 1
    assert kept.keys() <= set(run.ids())
    assert len(run.ids()) - len(kept) == lost
    # One flush may have failed just before.
    assert set(run.ids(lambda answer: answer.done > freed + 2 * FLUSH_SECONDS)) <= kept.keys()
    sys.stdout.write(f"\n{len(run.ids())} answered, {lost:g} counted as lost, {len(kept)} in the store\n")
