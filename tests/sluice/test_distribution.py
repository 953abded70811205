"""New rows that are unlike those before."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sluice.distribution import Check, Checks, Profile, shifts
from sluice.lake import Lake

BEFORE = {"x": [0.0, 10.0, None, 5.0], "kind": ["a", "b", "a", "b"]}


def profile(tmp_path: Path, frame: dict[str, list[Any]], arrived: int | None = None) -> Profile:
    staging = Lake(str(tmp_path)).staging("raw/t")
    rows = pl.DataFrame(frame)
    return Profile.of(staging.dataset([staging.write(rows)]).scan(), rows.height if arrived is None else arrived)


def found(tmp_path: Path, new: dict[str, list[Any]], checks: Checks | None = None, **more: Any) -> list[str]:
    before = profile(tmp_path, BEFORE)
    return [shift.text for shift in shifts(before, profile(tmp_path, new, **more), checks or Checks())]


def test_rows_like_those_before_say_nothing(tmp_path: Path) -> None:
    """Also when they are a little outside of what was known."""
    assert found(tmp_path, {"x": [1.0, None, 10.9, 2.0], "kind": ["a"] * 4}) == []


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ({"x": [1.0, 11.1, 2.0], "kind": ["a"] * 3}, "x: from 1 to 11.1, 0 to 10 before"),
        ({"x": [None, None, 1.0], "kind": ["a"] * 3}, "x: 66.7% are missing, 25.0% before"),
        ({"x": [1.0, 1.0, 1.0], "kind": ["a", "z", "y"]}, "kind: values that were not there before: y, z"),
    ],
)
def test_what_is_unlike_is_named_with_figures(tmp_path: Path, new: dict[str, list[Any]], said: str) -> None:
    """One line a finding, which a person understands without looking at the data."""
    assert found(tmp_path, new) == [said]


def test_far_fewer_rows_than_last_time_are_noticed(tmp_path: Path) -> None:
    """A source that is half empty; known rows count as having come."""
    one = {"x": [1.0], "kind": ["a"]}
    checks = Checks(row_count=Check(tolerance=0.5))
    assert found(tmp_path, one, checks) == ["rows: 1 came, 4 the time before (-75%)"]
    assert found(tmp_path, one, checks, arrived=4) == []


def test_actions_are_the_configured_ones(tmp_path: Path) -> None:
    """Off is silent, stop is told apart from warn, a tolerance lets pass."""
    before = profile(tmp_path, BEFORE)
    new = profile(tmp_path, {"x": [99.0] * 4, "kind": ["z", "a", "a", "a"]})
    checks = Checks(range=Check(action="stop"), new_categories=Check(action="off"))
    assert [shift.action for shift in shifts(before, new, checks)] == ["stop"]
    assert len(shifts(before, new, Checks(range=Check(tolerance=20), new_categories=Check(tolerance=0.25)))) == 0


def test_a_first_version_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    """Nor has a batch without new rows anything to say but its count."""
    empty = Profile(rows=0, arrived=0, columns={})
    new = profile(tmp_path, BEFORE)
    assert shifts(empty, new, Checks()) == []
    assert shifts(new, Profile(rows=0, arrived=4, columns={}), Checks()) == []


def test_profiles_add_up_to_that_of_the_table(tmp_path: Path) -> None:
    """What a version carries is the profile of all its rows; times count as seconds; it travels as JSON."""
    times = pl.Series([1_500, 2_500], dtype=pl.Datetime("ms", "UTC"))
    first = profile(tmp_path, {**BEFORE, "at": [*times, *times]})
    more = {"x": [-3.0], "kind": ["c"], "at": [times[0]]}
    both = {name: [*values, *more[name]] for name, values in {**BEFORE, "at": [*times, *times]}.items()}
    assert first.merged(profile(tmp_path, more)) == profile(tmp_path, both, arrived=1)
    assert first.columns["at"].high == 2.5
    assert Profile.model_validate_json(first.model_dump_json()) == first
