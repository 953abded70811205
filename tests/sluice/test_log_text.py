"""What the lines of log files say."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from sluice.component_logs import LONGEST
from sluice.log_text import continues, read_line

ABOUT = datetime(2026, 11, 21, 16, 30, tzinfo=UTC)
OURS = {
    "ts": "2026-11-21T16:20:29.601Z", "level": "WARNING", "logger": "serving.cache", "msg": "not loaded",
    "service": "serving", "trace_id": None, "model": "movies", "error": {"type": "E", "message": "m", "stack": "s"},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain lines are in the machine's own zone, which is UTC here."""
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def line(text: str | bytes) -> Any:
    return read_line(text if isinstance(text, bytes) else text.encode(), "mlflow", ABOUT).line


def test_a_line_of_ours_keeps_what_it_says() -> None:
    """Time, level, logger, message; whatever else it holds is its context, but for what is null."""
    found = line(json.dumps(OURS))
    assert found.at == datetime(2026, 11, 21, 16, 20, 29, 601000, UTC)
    assert (found.level, found.logger, found.message) == ("WARNING", "serving.cache", "not loaded")
    assert found.service == "mlflow"  # whose log it is in
    assert found.context == {"model": "movies", "error": OURS["error"]}
    assert found.stack == "s"
    assert found.flat()["model"] == "movies"


@pytest.mark.parametrize(
    ("text", "level", "logger", "message", "at"),
    [
        ("2026-11-21 05:18:13,381 - distributed.worker - INFO - Stopping", "INFO", "distributed.worker", "Stopping",
         "05:18:13.381"),
        ("2026/11/21 16:20:31 INFO mlflow.store.db.utils: Creating", "INFO", "mlflow.store.db.utils", "Creating",
         "16:20:31"),
        ('2026/11/21 16:20:36 INFO:     127.0.0.1:1 - "GET / HTTP/1.1" 200 OK', "INFO", "",
         '127.0.0.1:1 - "GET / HTTP/1.1" 200 OK', "16:20:36"),
        ("2026-11-21 16:20:22,902 CRIT Server running", "CRITICAL", "", "Server running", "16:20:22.902"),
        ("2026-11-21 16:22:23,249 WARN stopped: serving", "WARNING", "", "stopped: serving", "16:22:23.249"),
        ("2026-11-21 16:20:44.990 | ERROR   | prefect.flow_runs.worker - lost", "ERROR", "prefect.flow_runs.worker",
         "lost", "16:20:44.990"),
        ("16:20:44.990 | INFO    | Flow run 'ingest-movies' - Beginning", "INFO", "Flow run 'ingest-movies'",
         "Beginning", "16:20:44.990"),
        ("WARNING:  slow", "WARNING", "", "slow", None),
        ("[ERROR] broken", "ERROR", "", "broken", None),
        ("/lib/x.py:23: UserWarning: leaked", "WARNING", "", "/lib/x.py:23: UserWarning: leaked", None),
        ("Worker 'local' started!", "INFO", "", "Worker 'local' started!", None),
        ("INFORMATION for all", "INFO", "", "INFORMATION for all", None),
        ('{"level": "ERROR", "other": "project"}', "INFO", "", '{"level": "ERROR", "other": "project"}', None),
        ("2026-99-99 99:99:99 ERROR x", "INFO", "", "2026-99-99 99:99:99 ERROR x", None),
    ],
)  # fmt: skip
def test_plain_lines_are_read_as_their_projects_write_them(
    text: str, level: str, logger: str, message: str, at: str | None
) -> None:
    """Dask, MLflow, uvicorn, supervisord, Prefect; what is none of these is the text itself, at about this time."""
    found = line(text)
    assert (found.level, found.logger, found.message) == (level, logger, message)
    assert found.at == (datetime.fromisoformat(f"2026-11-21T{at}+00:00") if at else ABOUT)


def test_a_time_without_a_day_is_the_last_such_time() -> None:
    """A line of 23:50 that is read at 16:30 is of the day before."""
    assert line("23:50:00.000 | INFO    | prefect - late").at == datetime(2026, 11, 20, 23, 50, tzinfo=UTC)


def test_a_traceback_alone_is_an_error() -> None:
    """Who prints one without saying a level means an error."""
    assert line("Traceback (most recent call last):\n  File x\nValueError: bad").level == "ERROR"


@pytest.mark.parametrize(
    ("text", "before", "belongs"),
    [
        (b"  File 'x'", b"Traceback (most recent call last):", True),
        (b"Traceback (most recent call last):", b"ERROR: failed", True),
        (b"ValueError: bad", b"    raise ValueError('bad')", True),
        (b"tornado.iostream.StreamClosedError: Stream is closed", b"    raise", True),
        (b"KeyboardInterrupt", b"    wait()", True),
        (b"", b"text", True),
        (b"The above exception was the direct cause of the following exception:", b"", True),
        (b"INFO:     next", b"    raise ValueError('bad')", False),
        (b"ValueError: bad", b"INFO: a line", False),
        (b"2026-11-21 05:18:13,381 - x - INFO - y", b"    raise", False),
        (b'{"ts": "x"}', b"    raise", False),
        (b"Worker started", b" ___ ___", False),
    ],
)
def test_lines_of_a_traceback_belong_together(text: bytes, before: bytes, belongs: bool) -> None:
    """Also those that are not indented; the next entry does not."""
    assert continues(text, before) is belongs


@pytest.mark.parametrize(
    "content",
    [
        b"\x00\xff\xfe\x80binary\x1b[31mred\x1b[0m",
        b"{",
        b'{"ts": "2026-11-21T16:20:29Z", "msg": 5}',
        b'{"ts": 5, "msg": "x"}',
        b'{"ts": "0001-01-01T00:00:00+14:00", "msg": "x"}',
        b'{"ts": "x", "msg": "x"}',
        b"[" * 100_000,
        b'{"ts": "2026-11-21T16:20:29Z", "msg": "x", "deep": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"ts": "2026-11-21T16:20:29Z", "msg": "\\ud800", "n": NaN, "i": 1e999, "long": ' + b"9" * 5000 + b"}",
        b"",
    ],
)
def test_junk_is_a_line_too(content: bytes) -> None:
    """Whatever a process writes, the line can be read, sent as JSON and printed."""
    found = line(content)
    assert found.level == "INFO"
    json.dumps(found.flat(), allow_nan=False).encode()
    assert "\x1b" not in found.message
    found.message.encode()


def test_what_is_not_finite_is_text() -> None:
    """JSON has no NaN: a client's parser would fail at the whole page."""
    found = line(b'{"ts": "2026-11-21T16:20:29Z", "msg": "\\ud800x", "n": NaN, "i": -1e999}')
    assert found.context == {"n": "NaN", "i": "-1e999"}
    assert found.message == "�x"


def test_long_lines_are_bounded() -> None:
    """64 KiB of a message are given, and how much is not; also where the line was cut before its end."""
    found = line(b"x" * (LONGEST + 5))
    assert len(found.message) < LONGEST + 50
    assert found.message.endswith("(5 more characters)")
    cut = line(json.dumps(OURS | {"msg": "y" * LONGEST * 2})[: LONGEST + 1000])
    assert (cut.level, cut.logger, cut.at.second) == ("WARNING", "serving.cache", 29)
    assert len(cut.message) < LONGEST + 100
