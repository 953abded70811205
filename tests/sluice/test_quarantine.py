"""Refused rows, and how they get in after all."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sluice.embedded_documents import EmbeddedDocuments
from sluice.lake import Lake
from sluice.quarantine import ID, Quarantine
from sluice.use_case import UseCase

NOW = datetime(2026, 11, 21, tzinfo=UTC)
GOOD = {"user_id": 1, "item_id": 2, "rating": 4.0, "timestamp": 100, "title": "A", "genres": None}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


@pytest.fixture
def quarantine(tmp_path: Path, lake: Lake) -> Iterator[Quarantine]:
    documents = EmbeddedDocuments(str(tmp_path / "documents.db"))
    yield Quarantine(UseCase("sluice.use_cases.movies"), lake, documents)
    documents.close()


def refuse(lake: Lake, reason: str, at: datetime = NOW, **row: Any) -> None:
    frame = pl.DataFrame({"reason": [reason], "row": [json.dumps({**GOOD, **row})]})
    marked = frame.with_columns(key=pl.lit("k"), at=pl.lit(at))
    lake.write("quarantine/movies", marked, key=f"{at}{row}{reason}")


def test_a_row_refused_twice_is_shown_once(lake: Lake, quarantine: Quarantine) -> None:
    """Newest first; the same content and reason is the same row."""
    refuse(lake, "rating: too high", rating=9.0)
    refuse(lake, "rating: too high", at=NOW + timedelta(days=1), rating=9.0)
    refuse(lake, "user_id: not an Int64", at=NOW + timedelta(days=2), user_id="x")
    assert [(found.reason, found.row["rating"]) for found in quarantine.rows()] == [
        ("user_id: not an Int64", 4.0),
        ("rating: too high", 9.0),
    ]
    assert [found.row["rating"] for found in quarantine.rows(reason="too high")] == [9.0]


def test_a_corrected_row_gets_in_and_is_settled(lake: Lake, quarantine: Quarantine) -> None:
    """It passes the contract, stands in the raw table, and is not shown any more."""
    refuse(lake, "rating: too high", rating=9.0)
    (found,) = quarantine.rows()
    replayed = quarantine.replay([{**found.row, "rating": 4.5, ID: found.id}], by="me")
    assert (replayed.accepted, replayed.known, replayed.refused) == (1, 0, [])
    assert lake.dataset(lake.latest_or_raise("raw/movies")).read()["rating"].to_list() == [4.5]
    assert list(quarantine.rows()) == []
    assert [again.id for again in quarantine.rows(replayed=True)] == [found.id]


def test_a_row_that_is_still_wrong_stays(lake: Lake, quarantine: Quarantine) -> None:
    """It comes back with the reason; the good one beside it gets in."""
    refuse(lake, "rating: too high", rating=9.0)
    refuse(lake, "rating: too high", rating=8.0, user_id=7)
    first, second = sorted(quarantine.rows(), key=lambda found: found.row["rating"])
    corrected = [{**first.row, "rating": 5.0, ID: first.id}, {**second.row, "rating": 7.0, ID: second.id}]
    replayed = quarantine.replay(corrected, by="me")
    assert replayed.accepted == 1
    (refused,) = replayed.refused
    assert refused[ID] == second.id
    assert "rating" in refused["reason"]
    assert [found.id for found in quarantine.rows()] == [second.id]


def test_replaying_again_adds_nothing(lake: Lake, quarantine: Quarantine) -> None:
    """The same file twice, or a row that has come by itself meanwhile: no duplicate."""
    refuse(lake, "rating: too high", rating=9.0)
    (found,) = quarantine.rows()
    corrected = [{**found.row, "rating": 4.5, ID: found.id}]
    quarantine.replay(corrected, by="me")
    again = quarantine.replay(corrected, by="me")
    assert (again.accepted, again.known) == (0, 1)
    assert lake.dataset(lake.latest_or_raise("raw/movies")).rows == 1


def test_without_a_quarantine_there_is_nothing(quarantine: Quarantine) -> None:
    """A use case of which no row was ever refused."""
    assert list(quarantine.rows()) == []
