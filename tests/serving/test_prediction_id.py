"""Ids of predictions."""

import time
from uuid import UUID

import pytest

from serving.prediction_id import id_maker, made_at


def test_ids_are_unique_and_sort_as_they_were_made() -> None:
    """Also those of two makers, which share nothing: processes, or one before and after a restart."""
    first, second = id_maker(), id_maker()
    ids = [first() for _ in range(20_000)]
    assert ids == sorted(ids)
    assert len({*ids, *(second() for _ in range(20_000))}) == 40_000


def test_an_id_is_a_uuid_that_knows_its_time() -> None:
    """Version 7, which other tools read too."""
    before = time.time()
    id = id_maker()()
    assert UUID(id).version == 7
    assert before - 0.001 <= made_at(id) <= time.time()


@pytest.mark.parametrize("id", ["", "x" * 32, "0" * 32, UUID(int=1).hex, f"{id_maker()()}-1", f"{id_maker()()}\n"])
def test_what_is_no_id_is_told(id: str) -> None:
    """Whatever a client may send."""
    with pytest.raises(ValueError, match="no prediction"):
        made_at(id)
