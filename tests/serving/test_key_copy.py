"""The copy of the keys on disk is whole, or as it was."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from serving.key_copy import read_copy, write_copy


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Times too, and the last write wins."""
    path = tmp_path / "new" / "keys.json"
    assert read_copy(path) is None
    write_copy(path, [])
    assert read_copy(path) == []
    keys = [{"id": "a", "revoked": datetime(2026, 11, 21, 12, tzinfo=UTC), "used": None}]
    write_copy(path, keys)
    assert read_copy(path) == keys


def test_a_write_that_fails_leaves_the_copy_as_it_was(tmp_path: Path) -> None:
    """And nothing beside it."""
    path = tmp_path / "keys.json"
    write_copy(path, [{"id": "a"}])
    with pytest.raises(TypeError):
        write_copy(path, [{"id": object()}])
    assert read_copy(path) == [{"id": "a"}]
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_dead_process_left_is_no_obstacle(tmp_path: Path) -> None:
    """Its half-written file may have this process's id in its name: containers start with the same ids again."""
    path = tmp_path / "keys.json"
    write_copy(path, [])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    (tmp_path / f"keys.json.{os.getpid()}.part").symlink_to(elsewhere)
    write_copy(path, [{"id": "a"}])
    assert read_copy(path) == [{"id": "a"}]
    assert elsewhere.read_text() == "mine"
