"""Rows that keep the contract and rows that do not."""

import json

import pandera.polars as pa
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.contracts import REASON, validate


class Rating(pa.DataFrameModel):
    user: int = pa.Field(ge=1)
    stars: float = pa.Field(ge=0.5, le=5)
    title: str = pa.Field(nullable=True)


KEY = ("user",)


def frame(*rows: tuple[object, object, object]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=["user", "stars", "title"], orient="row", strict=False)


def test_each_refused_row_has_its_reasons_and_comes_as_it_was() -> None:
    """A row that breaks two rules names both; its values are kept, also those that were cast."""
    verdict = validate(frame(("1", 4.0, "a"), ("0", 9.0, None), ("x", 3.0, "b")), Rating, KEY)
    assert verdict.accepted.rows() == [(1, 4.0, "a")]
    reasons = verdict.quarantined[REASON].to_list()
    assert reasons[0] == "stars: less_than_or_equal_to(5.0); user: greater_than_or_equal_to(1)" or (
        "stars: less_than_or_equal_to(5)" in reasons[0] and "user: greater_than_or_equal_to(1)" in reasons[0]
    )
    assert "user: not a Int64" in reasons[1]
    assert json.loads(verdict.quarantined["row"][1]) == {"user": "x", "stars": 3.0, "title": "b"}


def test_a_missing_value_is_refused_where_the_contract_wants_one() -> None:
    """Null and NaN are both missing; a nullable column may have them."""
    verdict = validate(frame((1, None, "a"), (2, float("nan"), "b"), (3, 2.0, None)), Rating, KEY)
    assert verdict.accepted["user"].to_list() == [3]
    assert verdict.quarantined.height == 2


def test_the_first_good_row_of_a_key_is_kept() -> None:
    """A refused row does not take the good row of its key with it; a second good one is a duplicate."""
    verdict = validate(frame((1, 99.0, "bad"), (1, 4.0, "good"), (1, 3.0, "again")), Rating, KEY)
    assert verdict.accepted.rows() == [(1, 4.0, "good")]
    assert "duplicate of an earlier row with the same user" in verdict.quarantined[REASON][1]


def test_a_missing_column_refuses_every_row() -> None:
    """The reason names the column; no row is lost."""
    verdict = validate(frame((1, 4.0, "a"), (2, 4.0, "b")).drop("title"), Rating, KEY)
    assert verdict.accepted.height == 0
    assert verdict.accepted.columns == ["user", "stars", "title"]
    assert set(verdict.quarantined[REASON]) == {"missing column: title"}


def test_columns_outside_the_contract_are_dropped() -> None:
    """Accepted rows have the contract's columns only."""
    verdict = validate(frame((1, 4.0, "a")).with_columns(extra=1), Rating, KEY)
    assert verdict.accepted.columns == ["user", "stars", "title"]


def test_an_empty_frame_is_no_error() -> None:
    """Nothing in, nothing out."""
    verdict = validate(frame((1, 4.0, "a")).clear(), Rating, KEY)
    assert (verdict.accepted.height, verdict.quarantined.height) == (0, 0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.integers(-2, 5), st.text(max_size=3)),
            st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.integers(-1, 6)),
            st.one_of(st.none(), st.text(max_size=3)),
        ),
        max_size=20,
    )
)
def test_no_row_vanishes(rows: list[tuple[object, object, object]]) -> None:
    """Whatever comes, accepted plus quarantined is what came, and every accepted row keeps the contract."""
    data = pl.DataFrame(
        {
            "user": [None if u is None else str(u) for u, _, _ in rows],
            "stars": [None if s is None else float(s) for _, s, _ in rows],  # type: ignore[arg-type]
            "title": [t for _, _, t in rows],
        },
        schema={"user": pl.String, "stars": pl.Float64, "title": pl.String},
    )
    verdict = validate(data, Rating, KEY)
    assert verdict.accepted.height + verdict.quarantined.height == len(rows)
    assert verdict.accepted["user"].is_unique().all()
    assert verdict.accepted["stars"].is_between(0.5, 5).all()
