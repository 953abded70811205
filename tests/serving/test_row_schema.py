"""From JSON to a matrix: only what is certainly right, and then as MLflow would have it."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.models.utils import _enforce_schema
from mlflow.pyfunc.scoring_server import infer_and_parse_data
from mlflow.types import ColSpec, Schema, TensorSpec
from mlflow.types.schema import Array, Map, Object, Property

from serving.row_schema import RowSchema

COLUMNS = ModelSignature(Schema([ColSpec("double", "x"), ColSpec("long", "n"), ColSpec("float", "z")]))
TENSOR = ModelSignature(Schema([TensorSpec(np.dtype("float64"), (-1, 2))]))
FORMS: list[tuple[str, Any]] = [
    ("dataframe_split", {"columns": ["x", "n", "z"], "data": [[0.5, 1, 0.1], [2, -3, 4.5]]}),
    ("dataframe_split", {"columns": ["z", "x", "n"], "data": [[0.1, 0.5, 1], [4.5, 2, -3]]}),
    ("dataframe_records", [{"x": 0.5, "n": 1, "z": 0.1}, {"x": 2, "n": -3, "z": 4.5}]),
    ("instances", [{"x": 0.5, "n": 1, "z": 0.1}, {"z": 4.5, "x": 2, "n": -3}]),
    ("dataframe_records", [{"x": 0.5, "n": 1, "z": 0.1, "more": "text"}, {"x": 2, "n": -3, "z": 4.5}]),
    ("inputs", {"x": [0.5, 2], "n": [1, -3], "z": [0.1, 4.5]}),
]


def rows_of(signature: ModelSignature) -> RowSchema:
    rows = RowSchema.of(signature)
    assert rows is not None
    return rows


def test_nested_columns_are_no_matrix() -> None:
    """Lists, objects and maps are MLflow's to read; a model that has them is served all the same."""
    nested = [Array("double"), Object([Property("x", "long")]), Map("long")]
    for kind in nested:
        assert RowSchema.of(ModelSignature(Schema([ColSpec("double", "a"), ColSpec(kind, "b")]))) is None


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("dataframe_split", {"columns": ["x", "n", "z"], "data": [[0.5, 1, 0.1]], "index": []}),
        ("dataframe_split", {"columns": ["x", "n", "z"], "data": [[0.5, 1, 0.1]], "index": 1}),
        ("instances", [{"x": 0.5, "n": 1, "z": 0.1}, {"x": 0.5, "n": 1, "z": 0.1, "more": 1}]),
    ],
)
def test_what_mlflow_refuses_is_left_to_it(form: str, data: Any) -> None:
    """An index of another length, and a key that only one of the instances has."""
    assert rows_of(COLUMNS).matrix(form, data) is None


@pytest.mark.parametrize(("form", "data"), FORMS)
def test_each_form_gives_the_same_rows(form: str, data: Any) -> None:
    """In the signature's order, single precision rounded as the model will see it."""
    matrix = rows_of(COLUMNS).matrix(form, data)
    assert matrix is not None
    assert matrix.tolist() == [[0.5, 1.0, float(np.float32(0.1))], [2.0, -3.0, 4.5]]


UNSURE: list[Any] = [
    {"columns": ["x", "n", "z"], "data": []},
    {"columns": ["x", "n", "z"], "data": [[0.5, 1.0, 0.1]]},  # a fraction for a whole number
    {"columns": ["x", "n", "z"], "data": [[0.5, True, 0.1]]},
    {"columns": ["x", "n", "z"], "data": [[None, 1, 0.1]]},
    {"columns": ["x", "n", "z"], "data": [["0.5", 1, 0.1]]},
    {"columns": ["x", "n", "z"], "data": [[0.5, 1]]},
    {"columns": ["x", "n"], "data": [[0.5, 1]]},
    {"columns": ["x", "n", "x"], "data": [[0.5, 1, 0.1]]},
    {"columns": ["x", "n", "z"], "data": [[0.5, 2**60, 0.1]]},
    {"columns": ["x", "n", "z"], "data": [[0.5, 1, 1e300]]},
    {"columns": ["x", "n", "z"], "data": [[10**400, 1, 0.1]]},
    {"columns": ["x", "n", "z"], "data": 3},
    {"columns": ["x", "n", "z"], "data": [[0.5, 1, 0.1]], "more": 1},
    [],
    None,
]


@pytest.mark.parametrize("data", UNSURE)
def test_what_is_not_certain_is_left_to_mlflow(data: Any) -> None:
    """Wrong or only unusual: None, never an exception."""
    assert rows_of(COLUMNS).matrix("dataframe_split", data) is None


def test_signatures_with_more_than_numbers_have_none() -> None:
    """Text, and tensors that are no table."""
    for schema in (
        Schema([ColSpec("string", "a")]),
        Schema([TensorSpec(np.dtype("float64"), (-1, 2, 2))]),
        Schema([TensorSpec(np.dtype("int64"), (-1, 2))]),
    ):
        assert RowSchema.of(ModelSignature(schema)) is None


NUMBERS = st.one_of(
    st.floats(), st.integers(-(2**70), 2**70), st.none(), st.booleans(), st.text(max_size=3), st.just(0.1)
)
ROWS = st.lists(st.lists(NUMBERS, min_size=2, max_size=3), min_size=1, max_size=3)


@given(rows=ROWS, form=st.sampled_from(["dataframe_split", "dataframe_records", "inputs"]))
def test_a_matrix_is_what_mlflow_makes_of_the_same_body(rows: list[list[Any]], form: str) -> None:
    """Whenever the quick way takes a body, MLflow accepts it and the model sees equal numbers."""
    names = ["x", "n", "z"]
    records = [dict(zip(names, row, strict=False)) for row in rows]
    data: Any = {"columns": names, "data": rows}
    if form == "dataframe_records":
        data = records
    elif form == "inputs":
        data = {name: [record.get(name) for record in records] for name in names}
    data = json.loads(json.dumps(data))
    schema = rows_of(COLUMNS)
    matrix = schema.matrix(form, data)
    if matrix is None:
        return
    try:
        theirs = _enforce_schema(infer_and_parse_data({form: data}, COLUMNS.inputs), COLUMNS.inputs)
    except MlflowException as error:
        raise AssertionError(f"MLflow refuses {data}") from error
    pd.testing.assert_frame_equal(schema.frame(matrix), theirs, check_like=False)


def test_a_tensor_is_an_array() -> None:
    """A model that was logged with an array gets one."""
    schema = rows_of(TENSOR)
    matrix = schema.matrix("instances", [[1, 2.5], [3, 4]])
    assert matrix is not None
    assert schema.frame(matrix).tolist() == [[1.0, 2.5], [3.0, 4.0]]
    assert schema.matrix("inputs", [[1, 2.5, 3]]) is None
