"""The preparation that training and serving share."""

import numpy as np
import pandas as pd
import pytest

from sluice.classification.columns import Column, matrix
from sluice.classification.rows import LabelledRows
from sluice.errors import InputInvalidError

COLUMNS = (Column("b", 0, 10), Column("a"))


def test_columns_are_put_in_their_order_as_numbers() -> None:
    """By name, whatever else is in the frame; numbers may come as text or as integers."""
    frame = pd.DataFrame({"a": ["1.5", "-7"], "other": ["x", "y"], "b": [10, 0]})
    np.testing.assert_array_equal(matrix(frame, COLUMNS), [[10, 1.5], [0, -7]])


def test_no_row_gives_a_matrix_without_rows() -> None:
    """An empty question keeps its width."""
    assert matrix(pd.DataFrame({"a": [], "b": []}), COLUMNS).shape == (0, 2)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"a": [1.0]}, "b: the input has no such column"),
        ({"a": [1.0, 2.0], "b": [1.0, None]}, "b: row 1: it is missing"),
        ({"a": [1.0, "one"], "b": [1.0, 2.0]}, "a: row 1: 'one' is not a number"),
        ({"a": [1.0], "b": [10.5]}, "b: row 0: 10.5 is not from 0 to 10"),
        ({"a": [-np.inf], "b": [1.0]}, "a: row 0: '-inf' is not a number"),
        ({"a": pd.array([1, None], dtype="Int64"), "b": [1.0, 1.0]}, "a: row 1: it is missing"),
    ],
)
def test_what_cannot_be_predicted_for_is_named(frame: dict[str, object], message: str) -> None:
    """The first bad value of the first bad column, with its row and what is wrong with it."""
    with pytest.raises(InputInvalidError) as caught:
        matrix(pd.DataFrame(frame), COLUMNS)
    assert str(caught.value) == message


def test_labelled_rows_are_prepared_like_questions() -> None:
    """Matrix and labels of equal length, in the frame's order."""
    rows = LabelledRows.of(pd.DataFrame({"a": [1, 2], "b": [3, 4], "label": [0, 1]}), COLUMNS, "label")
    np.testing.assert_array_equal(rows.x, [[3, 1], [4, 2]])
    assert rows.y.tolist() == [0, 1]
