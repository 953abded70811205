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
    clause, values = document_sql.where(filter)
    with sqlite3.connect(tmp_path / "documents.db") as connection:
        query = f"EXPLAIN QUERY PLAN SELECT document FROM n{clause}{document_sql.order([('at', -1)])}"
        steps = [row[3] for row in connection.execute(query, values)]
    connection.close()
    store.close()
    assert steps[0] == plan
    sorted_apart = "USE TEMP B-TREE FOR ORDER BY" in steps
    assert sorted_apart == ("$in" in str(filter))


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
