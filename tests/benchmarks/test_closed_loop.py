"""The closed loop: wrk with our script, and what is read of its report."""

import json
import shutil
from pathlib import Path

import pytest

from benchmarks.closed_loop import closed_loop, read_report, wrk
from benchmarks.raw_request import raw_request, write_requests
from tests.benchmarks.conftest import Listen


def test_only_good_answers_count() -> None:
    """Errors are not throughput, and broken connections fail too."""
    said = {"requests": 500, "microseconds": 2_000_000, "p50": 1500, "p99": 9000, "bad_status": 100, "broken": 3}
    told = read_report(f"Requests/sec: 5\n{json.dumps(said)}\n")
    assert (told.rate, told.p50, told.p99, told.failed) == (200, 1.5, 9, 103)


def test_a_missing_wrk_is_said_with_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is started."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match="apt-get install wrk"):
        wrk()


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_every_prepared_request_is_sent(listen: Listen, tmp_path: Path) -> None:
    """In turn, and what the server answers with an error is counted."""
    requests = [raw_request(f"/{number}") for number in range(5)]
    write_requests(requests, tmp_path / "requests")
    answers: list[int] = []

    def answer(number: int) -> bytes:
        answers.append(number)
        status = b"500 Internal Server Error" if number % 2 else b"200 OK"
        return b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % status

    told = closed_loop(listen(answer), tmp_path / "requests", 1)
    assert told.rate > 0
    assert len(answers) / 4 < told.failed < len(answers)
