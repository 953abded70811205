"""Several worker processes on one machine: one of them is killed, all of them are drained."""

import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from sluice.settings import PredictionLogSettings
from tests.chaos.asked import three_protocols
from tests.chaos.conftest import StartService
from tests.chaos.disk_delay import disk_delay
from tests.chaos.load import load
from tests.chaos.service_process import Service
from tests.chaos.stored import stored_in

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.slow, pytest.mark.rare]

RATE, CONNECTIONS = 200, 16
COUNTED = "sluice_prediction_duration_seconds_count"
WRITTEN_SECONDS = 2.5  # workers write their metrics each second
FLUSH_SECONDS: float = PredictionLogSettings().flush_seconds


def workers(service: Service) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(service.pid).children():
        with suppress(psutil.NoSuchProcess):  # it has just ended
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
    return found


def counted(service: Service) -> dict[str, float]:
    """Predictions by worker, of one scrape over a connection of its own: any of the workers may answer it."""
    counts: dict[str, float] = {}
    for labels, value in service.samples(COUNTED):
        counts[labels["worker"]] = counts.get(labels["worker"], 0) + value
    return counts


def test_workers_are_counted_together_killed_and_drained(start_service: StartService, tmp_path: Path) -> None:
    """Every scrape counts what all workers answered; one that is killed is replaced; SIGTERM drains them all."""
    service = start_service("line", SERVING__WORKERS="2")
    service.until(lambda: len(workers(service)) == 2)
    with load(service.address, tmp_path, three_protocols("line"), RATE, CONNECTIONS, "counted") as run:
        time.sleep(4)
    time.sleep(WRITTEN_SECONDS)
    assert run.statuses() == {200: len(run.answers)}
    scrapes = [counted(service) for _ in range(10)]
    assert {sum(one.values()) for one in scrapes} == {len(run.answers)}
    assert all(len(one) == 2 for one in scrapes)

    before = {worker.pid for worker in workers(service)}
    with (
        disk_delay(tmp_path) as disk,
        load(service.address, tmp_path, three_protocols("line"), RATE, CONNECTIONS, "killed") as killing,
    ):
        time.sleep(2)
        victim = workers(service)[0]
        killed = time.time()
        victim.kill()
        service.until(lambda: len(workers(service)) == 2 and victim.pid not in {one.pid for one in workers(service)})
        time.sleep(3)
    failed = [answer for answer in killing.answers if answer.status != 200]
    assert not [(answer.done - killed, answer.seconds, answer.text) for answer in failed if answer.status]
    # Its connections end when its last thread has, and one that writes ends when the disk has it.
    assert not [answer.done - killed for answer in failed if not -1 < answer.done - killed < 1 + disk.longest]
    assert len(failed) <= CONNECTIONS
    assert max(answer.done for answer in killing.answers if answer.status == 200) > killed + 3

    with load(service.address, tmp_path, three_protocols("line"), RATE, CONNECTIONS, "drained") as draining:
        time.sleep(2)
        left = workers(service)
        ended = time.time()
        service.stop()
    assert not [worker for worker in left if worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE]
    window = FLUSH_SECONDS + disk.longest
    certain = {*run.ids(), *killing.ids(lambda answer: not -window < answer.done - killed < 1), *draining.ids()}
    # A store that is slower than the drain is patient gets the rest of the spool at the next start.
    service.start()
    with suppress(AssertionError):  # the comparison below says more
        service.until(lambda: certain <= stored_in(service.home, "line").keys(), 30)
    service.stop()
    kept = stored_in(service.home, "line")
    assert max(kept.values()) == 1
    assert not certain - kept.keys()
    assert all(answer.done > ended for answer in draining.answers if answer.status != 200)
    sys.stdout.write(
        f"\n{scrapes[0]} counted of {len(run.answers)}; pids {before}: {len(failed)} of {len(killing.answers)} failed "
        f"with a kill, {draining.statuses()} with SIGTERM\n"
    )
