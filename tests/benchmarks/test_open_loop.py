"""The open loop: what it asks, and from when it counts."""

import json
import time
from pathlib import Path

import pytest

from benchmarks.open_loop import open_loop
from benchmarks.raw_request import raw_request, write_requests
from tests.benchmarks.conftest import Listen

FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BAD = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"


@pytest.fixture
def requests(tmp_path: Path) -> str:
    file = tmp_path / "requests"
    write_requests([raw_request("/", {"row": number}) for number in range(3)], file)
    return str(file)


def test_a_stall_counts_for_all_that_were_due_in_it(listen: Listen, requests: str) -> None:
    """A closed loop would see one slow answer; those that were due meanwhile waited as well."""

    def stalls_once(number: int) -> bytes:
        time.sleep(0.5 if number == 20 else 0)
        return FINE

    told = open_loop(listen(stalls_once), requests, rate=100, seconds=1, connections=1)
    assert told["failed"] == 0
    assert told["highest"] >= 500
    assert told["p99"] > 300
    assert json.dumps(told, allow_nan=False)


def test_answers_of_another_status_count_as_failed(listen: Listen, requests: str) -> None:
    """A server that refuses quickly is not quick."""
    told = open_loop(listen(lambda number: BAD if number % 2 else FINE), requests, rate=200, seconds=0.5, connections=4)
    asked = round(told["failed"] * 2)
    assert 50 < asked < 150
    assert told["failed"] > 0


def test_a_server_that_hangs_up_ends_the_measurement(listen: Listen, requests: str) -> None:
    """Its figures would be of the requests that it did not drop."""
    with pytest.raises(ConnectionError):
        open_loop(listen(lambda _: b""), requests, rate=50, seconds=0.2, connections=2)
