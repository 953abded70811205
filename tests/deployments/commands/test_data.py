"""`sluice data`, on a lake in a folder; it needs no stack."""

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sluice.lake import Lake
from tests.conftest import clean_environment, sluice

ROW: dict[str, Any] = {"user_id": 1, "item_id": 2, "rating": 4.0, "timestamp": 100, "title": "A [b]", "genres": None}
ROWS = pl.DataFrame([ROW, {**ROW, "item_id": 3}], schema_overrides={"genres": pl.String})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two versions of raw/movies, and one refused row."""
    lake = Lake(str(tmp_path / "home" / "lake"))
    staging = lake.staging("raw/movies")
    lake.commit(staging.dataset([staging.write(ROWS)]), key="a", metadata={"sluice.source": "file-1"})
    lake.write("raw/movies", ROWS.with_columns(user_id=pl.lit(7, pl.Int64)), key="b")
    refused = pl.DataFrame(
        {"reason": ["rating: less_than_or_equal_to(5.0)"], "row": [json.dumps({**ROW, "rating": 9.0})]}
    )
    lake.write("quarantine/movies", refused.with_columns(key=pl.lit("a"), at=pl.lit(datetime.now(UTC))), key="a")
    return tmp_path / "home"


def data(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return sluice("data", *arguments, cwd=home, env=clean_environment(home))


def test_versions_are_listed_with_where_they_came_from(home: Path) -> None:
    """Newest first, every table of the use case; a script gets the same as JSON."""
    listed = json.loads(data(home, "list", "movies", "--json").stdout)
    assert [f"{version['table']}@{version['version']}" for version in listed] == [
        "raw/movies@1",
        "raw/movies@0",
        "quarantine/movies@0",
    ]
    assert "source file-1" in data(home, "list", "movies").stdout


@pytest.mark.slow
def test_two_versions_are_compared_by_key(home: Path) -> None:
    """What one can ask before training on the newer one."""
    found = json.loads(data(home, "diff", "movies", "0", "--json").stdout)
    assert (found["added"], found["removed"], found["changed"]) == (2, 0, 0)
    assert "2 rows added" in data(home, "diff", "movies", "0", "1").stdout


@pytest.mark.slow
def test_a_version_is_shown_and_sampled(home: Path) -> None:
    """Columns with ranges; the same seed gives the same rows; values are not taken for markup."""
    assert "raw/movies@0: 2 rows" in data(home, "show", "movies", "--version", "0").stdout
    first = data(home, "sample", "movies", "--rows", "2", "--json").stdout
    assert first == data(home, "sample", "movies", "--rows", "2", "--json").stdout
    assert "A [b]" in data(home, "sample", "movies").stdout


@pytest.mark.slow
def test_a_refused_row_is_corrected_and_replayed(home: Path) -> None:
    """Exported, still wrong (1), corrected (0), and gone from the quarantine."""
    file = home / "refused.jsonl"
    assert "rating: less_than" in data(home, "quarantine", "movies").stdout
    data(home, "quarantine", "movies", "--export", str(file))
    row = json.loads(file.read_text())
    wrong = data(home, "replay", "movies", str(file))
    assert wrong.returncode == 1
    assert "still refused" in wrong.stdout
    file.write_text(json.dumps({**row, "rating": 5.0, "item_id": 99}))
    right = data(home, "replay", "movies", str(file))
    assert (right.returncode, "1 rows were added" in right.stdout) == (0, True), right.stdout
    assert "No row of movies is in quarantine" in data(home, "quarantine", "movies").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "movies", "--version", "9"), "has no version 9. It has 0 to 1"),
        (("show", "movies", "--table", "rows"), "there are raw, features, quarantine"),
        (("show", "movies", "--table", "features"), "has no version yet"),
        (("list", "moves"), "movies"),
    ],
)
def test_what_is_not_there_is_one_line(home: Path, arguments: tuple[str, ...], said: str) -> None:
    """And says what there is, or what to do first."""
    done = data(home, *arguments)
    assert done.returncode != 0
    assert said in " ".join(done.stdout.replace("│", " ").split()), done.stdout
    assert "Traceback" not in done.stdout
