"""The latest values of each entity."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from sluice.embedded_documents import EmbeddedDocuments
from sluice.online import OnlineFeatures
from sluice.references import TableRef


@pytest.fixture
def online(tmp_path: Path) -> Iterator[OnlineFeatures]:
    documents = EmbeddedDocuments(str(tmp_path / "documents.db"))
    yield OnlineFeatures(documents, "t", "user")
    documents.close()


def version(number: int) -> TableRef:
    return TableRef(table="features/t", version=number)


def test_a_later_version_takes_the_place_of_an_earlier_one(online: OnlineFeatures) -> None:
    """An entity that is not in it any more is gone; one that nobody knows is None."""
    assert online.write(pl.DataFrame({"user": [1, 2], "mean": [3.0, None]}), version(0)) == 2
    online.write(pl.DataFrame({"user": [1], "mean": [4.0]}), version(1))
    assert online.read(1) == {"user": 1, "mean": 4.0, "features_version": 1}
    assert online.read(2) is None


def test_writing_again_is_writing_once(online: OnlineFeatures) -> None:
    """As after a task that died between writing and saying so."""
    values = pl.DataFrame({"user": [1], "mean": [3.0]})
    for _ in range(2):
        online.write(values, version(0))
    assert online.read(1) == {"user": 1, "mean": 3.0, "features_version": 0}


def test_two_rows_of_an_entity_are_refused(online: OnlineFeatures) -> None:
    """Nobody could say which of them is served; what was there stays."""
    online.write(pl.DataFrame({"user": [1], "mean": [3.0]}), version(0))
    with pytest.raises(ValueError, match="two rows of one user"):
        online.write(pl.DataFrame({"user": [1, 1], "mean": [1.0, 2.0]}), version(1))
    assert online.read(1) is not None
