"""What a source gave, staged."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sluice.arrival import Arrived, take_in
from sluice.lake import Lake
from sluice.sources import Malformed, open_source
from sluice.sources.source import BaseSource


class FakeSource(BaseSource):
    """Gives frames, and before each one malformed lines."""

    def __init__(self, *frames: pl.DataFrame, bad: int = 0, watermark: str | None = "mark") -> None:
        super().__init__()
        self._frames, self._bad, self._mark = frames, bad, watermark

    def fingerprint(self, since: str | None = None) -> str:
        return "fake"

    def read(self, since: str | None) -> Iterator[pl.DataFrame]:
        for number, frame in enumerate(self._frames):
            self.malformed += [Malformed("f.csv", number, "x,y", f"reason {n}") for n in range(self._bad)]
            yield frame
        self.watermark = self._mark


def arrived(tmp_path: Path, source: FakeSource) -> Arrived:
    lake = Lake(str(tmp_path))
    return take_in(source.read(None), source, lake.staging("raw/t"), lake.staging("quarantine/t"), "key")


def test_small_batches_share_a_file_and_the_watermark_comes_last(tmp_path: Path) -> None:
    """A file has at least 25,000 rows where there are so many."""
    result = arrived(tmp_path, FakeSource(*[pl.DataFrame({"x": range(1000)})] * 60))
    assert [file.rows for file in result.rows.files] == [25_000, 25_000, 10_000]
    assert result.watermark == "mark"


def test_malformed_lines_go_to_the_quarantine_with_reason_and_text(tmp_path: Path) -> None:
    """In the form of refused rows."""
    source = FakeSource(pl.DataFrame({"x": [1]}), pl.DataFrame({"x": [2]}), bad=2)
    result = arrived(tmp_path, source)
    found = result.malformed.read()
    assert found.columns == ["reason", "row", "key", "at"]
    assert found["reason"].to_list() == ["malformed line: reason 0", "malformed line: reason 1"] * 2
    assert json.loads(found["row"][3]) == {"where": "f.csv", "line": 1, "text": "x,y"}
    assert set(found["key"]) == {"key"}
    assert source.malformed == []


class ReadsAhead(FakeSource):
    """Goes on finding malformed lines in a thread of its own while a batch is worked on, as PyArrow's reader does."""

    def __init__(self, lines: int) -> None:
        super().__init__(*[pl.DataFrame({"x": [1]})] * 50)
        self._lines = lines

    def read(self, since: str | None) -> Iterator[pl.DataFrame]:
        def find() -> None:
            for number in range(self._lines):
                self.malformed.append(Malformed("f.csv", number, "x,y", "reason"))
                time.sleep(0)

        finding = threading.Thread(target=find)
        finding.start()
        yield from super().read(since)
        finding.join()


def test_lines_that_are_found_meanwhile_are_kept(tmp_path: Path) -> None:
    """Each malformed line is in the quarantine once, whenever the reader's thread came upon it."""
    found = arrived(tmp_path, ReadsAhead(20_000)).malformed.read()
    assert sorted(json.loads(row)["line"] for row in found["row"]) == list(range(20_000))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([1], ["x"], ["1", "x"]),
        ([1], [0.5], ["1", "0.5"]),
        ([True], ["x"], ["true", "x"]),
        ([[1, 2]], ["x"], ["[1, 2]", "x"]),
        ([{"a": 1}], ["x"], ['{"a": 1}', "x"]),
        ([b"a\xff"], ["x"], ["a\\xff", "x"]),
        ([datetime(2026, 1, 1, tzinfo=UTC)], ["x"], ["2026-01-01 00:00:00.000000+00:00", "x"]),
        ([date(2026, 1, 1)], ["x"], ["2026-01-01", "x"]),
        ([None], [1], [None, 1]),
    ],
)
def test_a_column_that_changes_its_type_keeps_all_of_its_values(
    tmp_path: Path, one: list[Any], other: list[Any], expected: list[Any]
) -> None:
    """A changed Parquet, a number that became text: each row is judged later."""
    result = arrived(tmp_path, FakeSource(pl.DataFrame({"x": one}), pl.DataFrame({"x": other})))
    assert result.rows.read()["x"].to_list() == expected


def test_a_column_that_some_batches_lack_is_null_there(tmp_path: Path) -> None:
    """Whichever comes first."""
    result = arrived(tmp_path, FakeSource(pl.DataFrame({"a": [1]}), pl.DataFrame({"b": [2], "a": [3]})))
    assert result.rows.read().rows() == [(1, None), (3, 2)]


def test_no_rows_are_no_files(tmp_path: Path) -> None:
    """Empty batches, and none at all."""
    for frames in ((), (pl.DataFrame({"x": []}),)):
        assert arrived(tmp_path, FakeSource(*frames)).rows.files == ()


def test_a_reading_that_is_not_finished_has_no_watermark(tmp_path: Path) -> None:
    """A use case's ingest that takes only the first batch must not lose the others."""
    source = FakeSource(pl.DataFrame({"x": [1]}), pl.DataFrame({"x": [2]}))
    lake = Lake(str(tmp_path))
    first = iter([next(source.read(None))])
    assert take_in(first, source, lake.staging("raw/t"), lake.staging("quarantine/t"), "key").watermark is None


def test_a_source_without_a_watermark_has_none(tmp_path: Path) -> None:
    """Packaged tables are told apart by their fingerprint."""
    source = open_source({"kind": "packaged", "dataset": "MASS/Pima.tr"})
    lake = Lake(str(tmp_path))
    result = take_in(source.read(None), source, lake.staging("raw/t"), lake.staging("quarantine/t"), "key")
    assert (result.rows.file_rows, result.watermark) == (200, None)
