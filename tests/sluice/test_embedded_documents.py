"""What is the embedded document store's own, beside the contract in `test_documents`."""

import contextlib
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sluice import document_sql
from sluice.embedded_documents import EmbeddedDocuments
from sluice.errors import ServiceUnavailableError

NOW = datetime(2026, 11, 21, 4, 30, 0, 123000, UTC)


@pytest.mark.parametrize(
    ("filter", "plan"),
    [
        ({}, "SCAN n USING INDEX n by at"),
        ({"at": {"$lt": NOW}}, "SEARCH n USING INDEX n by at (<expr><?)"),
        ({"name": "a"}, "SEARCH n USING INDEX n by name, at (<expr>=?)"),
        ({"name": "a", "at": {"$gte": NOW}}, "SEARCH n USING INDEX n by name, at (<expr>=? AND <expr>>?)"),
        ({"name": {"$in": ["a", "b"]}}, "SEARCH n USING INDEX n by name, at (<expr>=?)"),
    ],
)
def test_the_embedded_store_uses_an_index(tmp_path: Path, filter: dict[str, object], plan: str) -> None:
    """For what the port says of it: values of the first fields, a bound of the last, and the order of it."""
    store = EmbeddedDocuments(str(tmp_path / "documents.db"))
    store.index("n", ["at"])
    store.index("n", ["name", "at"])
    store.close()
    steps = planned(tmp_path, filter, "at")
    assert steps[0] == plan
    sorted_apart = "USE TEMP B-TREE FOR ORDER BY" in steps
    assert sorted_apart == ("$in" in str(filter))


def test_a_unique_index_serves_ranges_too(tmp_path: Path) -> None:
    """Feedback finds the parts of a prediction by a range of ids, without a scan of all predictions."""
    store = EmbeddedDocuments(str(tmp_path / "documents.db"))
    store.unique("n", ["id"])
    store.close()
    by_range = planned(tmp_path, {"id": {"$gte": "a", "$lt": "a."}, "first": {"$lte": 0}}, "first")
    assert by_range[0] == "SEARCH n USING INDEX n by id (<expr>>? AND <expr><?)"
    assert planned(tmp_path, {"id": "a"}, "id")[0].startswith("SEARCH n USING INDEX n")


def planned(folder: Path, filter: dict[str, object], by: str) -> list[str]:
    """SQLite's plan for a find in the collection n."""
    clause, values = document_sql.where(filter)
    with sqlite3.connect(folder / "documents.db") as connection:
        query = f"EXPLAIN QUERY PLAN SELECT document FROM n{clause}{document_sql.order([(by, -1)])}"
        steps = [row[3] for row in connection.execute(query, values)]
    connection.close()
    return steps


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    """The embedded store names its file."""
    (tmp_path / "file").touch()
    store = EmbeddedDocuments(str(tmp_path / "file" / "documents.db"))
    with pytest.raises(ServiceUnavailableError, match=r"documents\.db"):
        store.insert("n", [{"a": 1}])


@pytest.mark.parametrize("name", ["n; DROP TABLE n", 'n"', "n n", "n'--"])
def test_names_cannot_carry_sql(tmp_path: Path, name: str) -> None:
    """Collections are names and nothing else; a hostile field name finds nothing and harms nothing."""
    store = EmbeddedDocuments(str(tmp_path / "documents.db"))
    store.insert("n", [{"a": 1}])
    with pytest.raises(ValueError, match="must contain only"):
        store.insert(name, [{"a": 1}])
    with contextlib.suppress(ValueError, ServiceUnavailableError):
        assert store.find("n", {name: 1}) == []
    assert store.find("n") == [{"a": 1}]
    store.close()
