"""Hold-out membership belongs to the row."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.holdout import is_holdout, stable_hash

PINNED = [8441875417707220515, 6227058790266768529, 4128515051148195295]


def flags(frame: pl.DataFrame, *key: str, salt: str = "holdout") -> list[bool]:
    return frame.select(is_holdout(key, 0.25, salt)).to_series().to_list()


def test_hash_is_the_one_of_every_other_day() -> None:
    """Changing the hash would put rows that champions trained on into a hold-out: these values never change."""
    frame = pl.DataFrame({"user": [1, 2, None], "name": ["a", None, "c"]})
    found = frame.select(stable_hash(["user", "name"], "holdout")).to_series().to_list()
    assert found == PINNED


def test_the_share_is_held_out() -> None:
    """About a quarter of many rows."""
    frame = pl.DataFrame({"user": range(20_000), "item": range(20_000)})
    assert sum(flags(frame, "user", "item")) / 20_000 == pytest.approx(0.25, abs=0.01)


def test_later_rows_move_nobody() -> None:
    """The flags of old rows are the same when rows are added, with wider types and with missing values beside them."""
    old = pl.DataFrame({"user": range(1_000)}, schema={"user": pl.Int32})
    grown = pl.DataFrame({"user": [*range(1_000), None, 2**40]}, schema={"user": pl.Int64})
    assert flags(grown, "user")[:1_000] == flags(old, "user")


@pytest.mark.parametrize("key", [("user",), ("name",), ("user", "name")])
def test_salts_are_independent(key: tuple[str, ...]) -> None:
    """A validation split inside the training rows must not follow from the hold-out, for numbers and for text."""
    frame = pl.DataFrame({"user": range(20_000)}).with_columns(name=pl.col("user").cast(pl.String))
    both = sum(a and b for a, b in zip(flags(frame, *key), flags(frame, *key, salt="validation"), strict=True))
    assert both / 20_000 == pytest.approx(0.0625, abs=0.01)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=4)), min_size=1, max_size=20))
def test_equal_keys_are_on_one_side(names: list[str | None]) -> None:
    """Whatever order or company a key comes in."""
    frame = pl.DataFrame({"name": names}, schema={"name": pl.String})
    sides = dict(zip(names, flags(frame, "name"), strict=True))
    assert flags(frame.reverse(), "name") == [sides[name] for name in reversed(names)]


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_outside_zero_to_one_is_refused(share: float) -> None:
    """A typo such as 25 for a quarter is named."""
    with pytest.raises(ValueError, match="share must be from 0 to 1"):
        is_holdout(["user"], share)
