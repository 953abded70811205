"""Logs in files: pages, following, rotation, and what a log may do to its reader."""

import json
import os
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sluice import log_files
from sluice.component_logs import LogFilter, LogLine
from sluice.errors import InputInvalidError, LogNotFoundError
from sluice.log_cursor import LogCursor, Place
from sluice.log_files import LogFiles

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def ours(second: float, message: str, level: str = "INFO", **context: object) -> str:
    ts = (START + timedelta(seconds=second)).isoformat(timespec="milliseconds")
    return json.dumps({"ts": ts, "level": level, "logger": "l", "msg": message, **context}) + "\n"


def write(path: Path, *lines: str) -> Path:
    with path.open("a", encoding="utf-8") as file:
        file.writelines(lines)
    return path


def messages(lines: list[LogLine]) -> list[str]:
    return [line.message for line in lines]


def pages(logs: LogFiles, wanted: LogFilter, limit: int) -> Iterator[list[str]]:
    page = logs.lines(wanted, limit)
    yield messages(page.lines)
    while page.older:
        page = logs.lines(wanted, limit, page.older)
        yield messages(page.lines)


def test_pages_go_back_through_all_services(tmp_path: Path) -> None:
    """The newest first, whoever wrote them, each once; a line that comes meanwhile shifts no page."""
    write(tmp_path / "serving.log", *(ours(n, f"s{n}") for n in range(0, 20, 2)))
    write(tmp_path / "mlflow.log", *(ours(n, f"m{n}") for n in range(1, 20, 2)))
    (tmp_path / "empty.log").touch()
    logs = LogFiles(tmp_path)
    found: list[str] = []
    for page in pages(logs, LogFilter(), 3):
        found += page
        write(tmp_path / "mlflow.log", ours(100 + len(found), "later"))
    assert found == [f"{'sm'[n % 2]}{n}" for n in reversed(range(20))]


def test_a_page_says_whether_there_is_more(tmp_path: Path) -> None:
    """``older`` is None with the last line, not a page later."""
    write(tmp_path / "serving.log", ours(0, "a"), ours(1, "b"))
    logs = LogFiles(tmp_path)
    assert logs.lines(LogFilter(), 2).older is None
    assert logs.lines(LogFilter(), 1).older is not None


def test_following_misses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    """Lines that come between two looks, also of a service that is new, and more of them than a page holds."""
    write(tmp_path / "serving.log", ours(0, "old"))
    logs = LogFiles(tmp_path)
    newer = logs.lines(LogFilter()).newer
    assert newer
    assert logs.lines(LogFilter(), 10, newer).lines == []
    write(tmp_path / "serving.log", *(ours(n, f"s{n}") for n in range(1, 6)))
    write(tmp_path / "catch-up.log", ours(2.5, "c"))
    found: list[str] = []
    while page := logs.lines(LogFilter(), 4, newer):
        if not page.lines:
            break
        assert page.newer
        newer, found = page.newer, found + messages(page.lines[::-1])
    assert found == ["s1", "s2", "c", "s3", "s4", "s5"]


def test_a_line_is_given_when_it_is_whole(tmp_path: Path) -> None:
    """A process may be in the middle of writing it."""
    path = write(tmp_path / "serving.log", ours(0, "whole"), '{"ts": "2026-11-21T12:00:01Z", "msg": "ha')
    logs = LogFiles(tmp_path)
    page = logs.lines(LogFilter())
    assert messages(page.lines) == ["whole"]
    write(path, 'lf"}\n')
    assert page.newer
    assert messages(logs.lines(LogFilter(), 9, page.newer).lines) == ["half"]


def rotate(folder: Path) -> None:
    """As supervisord does it, with one older file."""
    (folder / "serving.log").replace(folder / "serving.log.1")
    (folder / "serving.log").touch()


def test_rotation_changes_no_page(tmp_path: Path) -> None:
    """Cursors of both directions go on where they were in the file that has got another name."""
    write(tmp_path / "serving.log", *(ours(n, f"s{n}") for n in range(4)))
    logs = LogFiles(tmp_path)
    page = logs.lines(LogFilter(), 2)
    assert page.older
    assert page.newer
    write(tmp_path / "serving.log", ours(4, "s4"))
    rotate(tmp_path)
    write(tmp_path / "serving.log", ours(5, "s5"))
    assert messages(logs.lines(LogFilter(), 9, page.older).lines) == ["s1", "s0"]
    assert messages(logs.lines(LogFilter(), 9, page.newer).lines) == ["s5", "s4"]
    assert messages(logs.lines(LogFilter()).lines) == ["s5", "s4", "s3", "s2", "s1", "s0"]


def test_what_was_rotated_away_ends_the_pages(tmp_path: Path) -> None:
    """A cursor into a file that is gone leads to nothing older, and following goes on with what is there."""
    write(tmp_path / "serving.log", *(ours(n, f"s{n}") for n in range(4)))
    logs = LogFiles(tmp_path)
    page = logs.lines(LogFilter(), 2)
    (tmp_path / "serving.log").unlink()
    write(tmp_path / "serving.log", ours(9, "new"))
    assert page.older
    assert page.newer
    assert logs.lines(LogFilter(), 9, page.older) == ([], None, None)
    assert messages(logs.lines(LogFilter(), 9, page.newer).lines) == ["new"]


def test_a_traceback_is_one_line(tmp_path: Path) -> None:
    """In both directions: with the line before it, and its level."""
    text = (
        "2026-11-21 12:00:01,000 - d - ERROR - failed\nTraceback (most recent call last):\n  File x\nValueError: bad\n"
    )
    path = write(tmp_path / "dask.log", ours(0, "before"))
    logs = LogFiles(tmp_path)
    newer = logs.lines(LogFilter()).newer
    assert newer
    write(path, text, "2026-11-21 12:00:02,000 - d - INFO - after\n")
    for page in (logs.lines(LogFilter(), 2), logs.lines(LogFilter(), 2, newer)):
        after, failed = page.lines
        assert after.message == "after"
        assert (failed.level, failed.message) == (
            "ERROR",
            "failed\nTraceback (most recent call last):\n  File x\nValueError: bad",
        )


def test_a_line_without_a_time_has_that_of_the_one_before(tmp_path: Path) -> None:
    """So it stands where it was written, among the lines of other services too."""
    write(tmp_path / "a.log", ours(0, "a0"), "plain\n", ours(10, "a10"))
    write(tmp_path / "b.log", ours(5, "b5"))
    found = LogFiles(tmp_path).lines(LogFilter()).lines
    assert messages(found) == ["a10", "b5", "plain", "a0"]
    assert found[2].at == found[3].at


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (LogFilter(level="warning"), ["e", "w"]),
        (LogFilter(level="ERROR"), ["e"]),
        (LogFilter(since=START + timedelta(seconds=2)), ["run abc ends", "e"]),
        (LogFilter(until=START + timedelta(seconds=2)), ["w", "Ünd so"]),
        (LogFilter(contains="ÜND"), ["Ünd so"]),
        (LogFilter(contains="boom"), ["e"]),
        (LogFilter(run="abc"), ["run abc ends", "w"]),
        (LogFilter(contains="nothing"), []),
    ],
)
def test_filters(tmp_path: Path, wanted: LogFilter, found: list[str]) -> None:
    """The least level, a span of time, a text in any case also of the traceback, a run by id."""
    error = {"type": "E", "message": "m", "stack": "Traceback\nE: boom"}
    write(
        tmp_path / "serving.log",
        ours(0, "Ünd so"),
        ours(1, "w", "WARNING", flow_run_id="abc"),
        ours(2, "e", "ERROR", error=error),
        ours(3, "run abc ends"),
    )
    assert messages(LogFiles(tmp_path).lines(wanted).lines) == found


def test_unknown_level_names_the_known() -> None:
    """The field and the allowed values."""
    with pytest.raises(InputInvalidError, match=r"level: .*LOUD.*WARNING"):
        LogFilter(level="LOUD")


@pytest.mark.parametrize("service", ["../secret", "/etc/passwd", "..", "serving.log", "link", "folder", "\x00", "a/b"])
def test_a_service_is_never_a_path(tmp_path: Path, service: str) -> None:
    """Only names of regular files in the folder are services; links lead nowhere."""
    (tmp_path / "secret.log").write_text("secret\n")
    folder = tmp_path / "logs"
    folder.mkdir()
    write(folder / "serving.log", ours(0, "x"))
    (folder / "link.log").symlink_to(tmp_path / "secret.log")
    (folder / "folder.log").mkdir()
    logs = LogFiles(folder)
    assert logs.services() == ["serving"]
    with pytest.raises(LogNotFoundError, match="serving"):
        logs.lines(LogFilter(service=service))


@pytest.mark.parametrize(
    "cursor",
    ["x", "é", "e30", "bnVsbA", "AAAA", LogCursor(to="older", places={}).text()[:-3], "WyJhIl0", "a" * 5000],
)
def test_a_made_up_cursor_is_refused(tmp_path: Path, cursor: str) -> None:
    """As the client's mistake."""
    write(tmp_path / "serving.log", ours(0, "x"))
    with pytest.raises(InputInvalidError, match="cursor"):
        LogFiles(tmp_path).lines(LogFilter(), 5, cursor)


@pytest.mark.parametrize("offset", [-1, 10**30, 3, -(10**30)])
@pytest.mark.parametrize("to", ["older", "newer"])
def test_a_forged_place_reads_the_log_only(tmp_path: Path, offset: int, to: str) -> None:
    """Any offset in any file, and services that do not exist: no failure, and nothing but this service's lines."""
    path = write(tmp_path / "serving.log", ours(0, "a"), ours(1, "b"))
    with path.open("rb") as file:
        place = Place.of(file, offset)
    strange = place._replace(head=10**20, checksum=-1)
    for forged in ({"serving": place}, {"serving": strange}, {"../x": place}):
        cursor = LogCursor(to=to, places=forged).text()  # type: ignore[arg-type]
        for line in LogFiles(tmp_path).lines(LogFilter(), 5, cursor).lines:
            assert line.service == "serving"


def test_without_a_folder_there_are_no_logs(tmp_path: Path) -> None:
    """Where nothing was ever started."""
    logs = LogFiles(tmp_path / "none")
    assert logs.services() == []
    assert logs.lines(LogFilter()).lines == []


def test_junk_does_no_harm(tmp_path: Path) -> None:
    """Binary, a line of megabytes, blank lines, other line breaks: the lines around them are read, both ways."""
    path = tmp_path / "serving.log"
    write(path, ours(0, "first"))
    logs = LogFiles(tmp_path)
    newer = logs.lines(LogFilter()).newer
    assert newer
    with path.open("ab") as file:
        file.write(b"\x00\xff\x1b[31m\n\n\r\n" + b"x" * (3 << 20) + b"\n" + ours(2, "last").encode())
    for page in (logs.lines(LogFilter(), 10), logs.lines(LogFilter(), 10, newer)):
        assert page.lines[0].message == "last"
        assert len(page.lines[1].message) < 70_000
        assert sum(len(line.message) for line in page.lines) < 80_000
        assert len(page.lines) in {3, 4}


def big(path: Path, size: int) -> int:
    """A log of this many bytes; gives the number of its lines."""
    block = "".join(ours(0, f"number {n:04d} of a block of lines that all look the same") for n in range(1000))
    lines = 0
    with path.open("w") as file:
        for second in range(1 + size // len(block)):
            file.write(
                block.replace("12:00:00.000", f"{12 + second // 3600}:{second // 60 % 60:02d}:{second % 60:02d}.000")
            )
            lines += 1000
    return lines


@pytest.mark.parametrize(
    "wanted",
    [
        LogFilter(),
        LogFilter(until=START + timedelta(seconds=30)),
        LogFilter(since=START + timedelta(seconds=30), until=START + timedelta(seconds=31)),
    ],
)
def test_a_long_log_is_read_from_where_it_is_asked_for(
    tmp_path: Path, wanted: LogFilter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of 40 MB takes a few hundred KB of reading and of memory, at the end as in the middle."""
    big(tmp_path / "serving.log", 40 << 20)
    read = 0
    real = log_files.read_line

    def counting(raw: bytes, service: str, about: datetime) -> object:
        nonlocal read
        read += len(raw)
        return real(raw, service, about)

    monkeypatch.setattr(log_files, "read_line", counting)
    monkeypatch.setattr(log_files, "_SECONDS", 60.0)
    tracemalloc.start()
    page = LogFiles(tmp_path).lines(wanted, 100)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(page.lines) == 100
    assert page.older
    assert page.lines[0].message.startswith("number 0999")
    assert read < 6 << 20
    assert peak < 4 << 20


def test_a_search_that_takes_long_goes_on_from_its_cursor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page may come back empty with a cursor; following the cursors finds what there is, once."""
    write(tmp_path / "serving.log", ours(0, "needle"), *(ours(1, "hay") for _ in range(200)))
    monkeypatch.setattr(log_files, "_SECONDS", -1.0)
    found = list(pages(LogFiles(tmp_path), LogFilter(contains="needle"), 5))
    assert [page for page in found if page] == [["needle"]]
    assert len(found) > 2


def test_files_that_vanish_meanwhile_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The supervisor may rotate between the list of files and their opening."""
    write(tmp_path / "serving.log", ours(1, "here"))
    gone = write(tmp_path / "serving.log.1", ours(0, "gone"))
    logs = LogFiles(tmp_path)
    real = logs._regular

    def then_remove() -> list[Path]:
        listed = real()
        gone.unlink(missing_ok=True)
        return listed

    monkeypatch.setattr(logs, "_regular", then_remove)
    assert messages(logs.lines(LogFilter(service="serving")).lines) == ["here"]


def test_a_file_that_was_emptied_is_read_from_its_beginning(tmp_path: Path) -> None:
    """As `logrotate` with copytruncate does."""
    path = write(tmp_path / "serving.log", ours(0, "before"))
    logs = LogFiles(tmp_path)
    newer = logs.lines(LogFilter()).newer
    assert newer
    os.truncate(path, 0)
    write(path, ours(1, "after"))
    assert messages(logs.lines(LogFilter(), 5, newer).lines) == ["after"]
