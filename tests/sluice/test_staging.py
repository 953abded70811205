"""Files on their way into a table."""

from pathlib import Path

import polars as pl
import pytest

from sluice.compute import InProcessCompute
from sluice.staging import Staging

FRAME = pl.DataFrame({"user": [1, 1, 2, 3], "title": ["a", None, "b", "c"], "rating": [1.0, 2.0, None, 4.0]})


@pytest.fixture(params=["folder", "object store"])
def staging(request: pytest.FixtureRequest, tmp_path: Path) -> Staging:
    """A folder, and the same folder through the streams that Delta Lake gives for an object store."""
    folder = tmp_path / "table"
    folder.mkdir()
    return Staging(str(folder) if request.param == "folder" else folder.as_uri(), "raw/table")


def test_what_is_written_is_read_back(staging: Staging) -> None:
    """Rows, nulls and types, from both kinds of file; the size is the file's."""
    for written in (staging.write(FRAME), staging.write_exchange(FRAME)):
        assert staging.dataset([written]).read().equals(FRAME)
        assert written.size == (Path(staging.uri.removeprefix("file://")) / written.path).stat().st_size


def test_what_is_saved_is_loaded(staging: Staging) -> None:
    """A fitted model between two tasks."""
    assert staging.load(staging.save({"weights": [1, 2]}, "fit")) == {"weights": [1, 2]}


def test_a_shuffle_leaves_parquet_only_in_what_is_committed(staging: Staging) -> None:
    """Files of the exchange are read by the next step and are no part of the result."""
    parts = [staging.write(part) for part in pl.concat([FRAME] * 20_000).iter_slices(40_000)]
    built = InProcessCompute(staging).transform(staging.dataset(parts), lambda rows: rows, by=("user",))
    assert built.file_rows == 80_000
    assert all(file.path.endswith(".parquet") for file in built.files)
