"""From tensors to what a model's signature asks for."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.models.utils import _enforce_schema
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import Array

from serving.open_inference.datatype import DATATYPES
from serving.open_inference.model_input import InputReader, ModelInput
from serving.open_inference.request import decode
from sluice.errors import PayloadInvalidError
from tests.serving.open_inference.requests import CODES, binary_body, body, in_binary, pima, tensor

NAMES = tuple("abcdefgh")


def columns(*types: str, optional: tuple[str, ...] = ()) -> Schema:
    return Schema([ColSpec(type_, name, name not in optional) for type_, name in zip(types, NAMES, strict=False)])


def read(schema: Schema, *tensors: dict[str, Any]) -> ModelInput:
    return InputReader(schema).read(decode(body(*tensors)))


def refused(schema: Schema, *tensors: dict[str, Any]) -> str:
    with pytest.raises(PayloadInvalidError) as raised:
        read(schema, *tensors)
    return str(raised.value)


DOUBLES = columns(*["double"] * 8)


@pytest.mark.parametrize("name", ["input", "input-1", "a"])
def test_one_tensor_of_all_columns_is_the_matrix(name: str) -> None:
    """A model of eight columns takes [rows, 8] in the signature's order, whatever the tensor is called."""
    got = InputReader(DOUBLES).read(decode(*binary_body(in_binary(name, "FP32", pima()))))
    np.testing.assert_array_equal(got, pima().astype(np.float64), strict=True)


@pytest.mark.parametrize("shape", [[2], [2, 1]])
def test_a_tensor_a_column_is_the_matrix(shape: list[int]) -> None:
    """As MLServer's pandas codec sends it: by name, in any order, and columns the model does not have passed over."""
    tensors = [tensor(NAMES[i], "FP32", shape, pima()[:, i].tolist()) for i in reversed(range(8))]
    got = read(DOUBLES, *tensors, tensor("z", "BYTES", shape, ["x", "y"]))
    np.testing.assert_array_equal(got, pima().astype(np.float64), strict=True)


def test_whole_numbers_of_a_matrix_may_be_floats() -> None:
    """A tensor has one datatype, so columns of whole numbers come as floats beside the others."""
    types = ["long", "integer", "double"]
    got = read(columns(*types), tensor("x", "FP64", [2, 3], [1.0, 2.0, 0.5, 3.0, -(2.0**31), 4.0]))
    np.testing.assert_array_equal(got, np.array([[1, 2, 0.5], [3, -(2**31), 4]]), strict=True)


def test_whole_numbers_that_no_float_holds_stay_whole() -> None:
    """An identifier beyond 2**53 reaches the model as it is, in a frame."""
    for row in ([2**53 + 1, 1], [-(2**53) - 1, 1]):
        got = read(columns("long", "long"), tensor("x", "INT64", [1, 2], row))
        assert isinstance(got, pd.DataFrame)
        assert got.to_numpy().tolist() == [row]


def test_other_columns_make_a_frame_of_the_signatures_types() -> None:
    """Text, bytes, times, truth and lists come as MLflow wants them, and MLflow agrees."""
    schema = Schema(
        [
            ColSpec("string", "text"),
            ColSpec("binary", "raw"),
            ColSpec("datetime", "time"),
            ColSpec("boolean", "flag"),
            ColSpec("float", "single"),
            ColSpec(Array(DataType.double), "list"),
        ]
    )
    frame = read(
        schema,
        tensor("text", "BYTES", [2, 1], ["grün", None]),
        tensor("raw", "BYTES", [2, 1], ["AP8=", "YQ=="], parameters={"content_type": "base64"}),
        tensor("time", "BYTES", [2, 1], ["2026-01-02T03:04:05+01:00", "2026-01-02"]),
        tensor("flag", "BOOL", [2, 1], [True, False]),
        tensor("single", "FP16", [2, 1], [0.5, None]),
        tensor("list", "BYTES", [2, 1], ["[1.0,2.0]", "[]"]),
    )
    assert isinstance(frame, pd.DataFrame)
    assert frame["text"][0] == "grün"
    assert frame["text"].isna().tolist() == [False, True]
    assert frame["raw"].tolist() == [b"\0\xff", b"a"]
    assert frame["time"].tolist() == [pd.Timestamp("2026-01-02T02:04:05"), pd.Timestamp("2026-01-02")]
    assert frame["list"].tolist() == [[1.0, 2.0], []]
    assert (frame["flag"].dtype, frame["single"].dtype) == (np.bool_, np.float32)
    enforced = _enforce_schema(frame.drop(columns="text"), Schema(schema.inputs[1:]))
    assert list(enforced.dtypes) == list(frame.drop(columns="text").dtypes)


def test_optional_columns_may_be_left_out() -> None:
    """Then the model gets a frame without them, as MLflow would give it one."""
    schema = columns("double", "double", optional=("b",))
    frame = read(schema, tensor("a", "FP64", [1], [1.0]))
    assert isinstance(frame, pd.DataFrame)
    assert list(frame) == ["a"]
    assert isinstance(read(schema, tensor("x", "FP64", [1, 2], [1.0, 2.0])), np.ndarray)


def test_columns_without_names_go_by_their_order() -> None:
    """A signature may count its columns and not name them."""
    schema = Schema([ColSpec("double"), ColSpec("string")])
    frame = read(schema, tensor("x", "FP64", [1], [1.0]), tensor("y", "BYTES", [1], ["t"]))
    assert frame.to_dict("list") == {0: [1.0], 1: ["t"]}
    three = [tensor(name, "FP64", [1], [1.0]) for name in "xyz"]
    assert "must be 2 tensors" in refused(schema, *three)


def test_a_single_column_takes_any_name() -> None:
    """With one column there is nothing to confuse."""
    for shape in ([2], [2, 1]):
        assert read(columns("double"), tensor("input-1", "INT8", shape, [1, 2])).tolist() == [[1.0], [2.0]]


def test_tensor_signatures_take_tensors() -> None:
    """One without a name whatever it is called; several by name; numbers of a smaller type grow."""
    image = TensorSpec(np.dtype(np.float32), (-1, 2, 2))
    got = read(Schema([image]), tensor("x", "INT16", [1, 2, 2], [1, 2, 3, 4]))
    np.testing.assert_array_equal(got, np.array([[[1, 2], [3, 4]]], np.float32), strict=True)
    named = Schema([TensorSpec(np.dtype(np.float64), (-1, 2), "n"), TensorSpec(np.dtype(str), (-1,), "t")])
    both = read(named, tensor("t", "BYTES", [2], ["a", "bc"]), tensor("n", "FP32", [1, 2], [1, 2]))
    assert isinstance(both, dict)
    assert both["n"].dtype == np.float64
    assert both["t"].tolist() == ["a", "bc"]
    _enforce_schema(both, named)
    alone = Schema([TensorSpec(np.dtype(np.float64), (-1,), "n")])
    assert read(alone, tensor("input", "FP64", [1], [1.0])) == {"n": np.array([1.0])}


SAFE = [
    ("double", "INT64", 2**53),
    ("double", "UINT64", 2**53),
    ("float", "INT32", 2**24),
    ("float", "FP16", 0.5),
    ("integer", "INT64", 2**31 - 1),
    ("integer", "UINT64", 7),
    ("long", "FP64", 2.0**53),
    ("boolean", "BOOL", True),
]
UNSAFE = [
    ("double", "INT64", 2**53 + 1),
    ("double", "BOOL", True),
    ("double", "BYTES", "1.5"),
    ("float", "FP64", 0.5),
    ("float", "INT32", 2**24 + 1),
    ("integer", "INT64", 2**31),
    ("integer", "FP32", 0.5),
    ("integer", "FP64", 2.0**31),
    ("long", "FP64", None),
    ("long", "FP64", 2.0**63),
    ("long", "UINT64", 2**63),
    ("boolean", "UINT8", 1),
    ("string", "INT8", 1),
    ("binary", "UINT8", 1),
    ("datetime", "INT64", 1),
    ("datetime", "BYTES", "yesterday"),
    ("datetime", "BYTES", "9999-01-01"),
]


@pytest.mark.parametrize(("type_", "datatype", "value"), SAFE)
def test_a_cast_that_keeps_the_value_is_done(type_: str, datatype: str, value: Any) -> None:
    """A number that the signature's type holds comes through as itself."""
    got = read(columns(type_), tensor("a", datatype, [1], [value]))
    assert np.asarray(got).tolist() == [[value]]


@pytest.mark.parametrize(("type_", "datatype", "value"), UNSAFE)
@pytest.mark.parametrize("form", ["matrix", "column"])
def test_a_cast_that_would_change_the_value_is_refused(type_: str, datatype: str, value: Any, form: str) -> None:
    """The answer names the tensor and what to send."""
    shape = [1, 1] if form == "matrix" else [1]
    message = refused(columns(type_), tensor("a", datatype, shape, [value]))
    assert message.startswith("inputs.a: ")


NUMERIC = ["integer", "long", "float", "double"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(NUMERIC), min_size=1, max_size=3), st.sampled_from(sorted(CODES)), st.data())
def test_a_matrix_means_what_its_columns_mean(types: list[str], datatype: str, data: st.DataObject) -> None:
    """One tensor of all columns and a tensor a column give the same input, or are both refused."""
    special = [0.5, 2**24 + 1, 2**31, 2**53 + 1, -(2**63), 2**64 - 1, np.nan, np.inf]
    with np.errstate(all="ignore"):
        values = np.array(data.draw(st.lists(st.integers(0, 5) | st.sampled_from(special), min_size=4, max_size=4)))
        rows = np.resize(values.astype(CODES[datatype]), (2, len(types)))
    one = binary_body(in_binary("x", datatype, rows))
    many = binary_body(*(in_binary(NAMES[i], datatype, rows[:, [i]]) for i in range(len(types))))
    outcomes = []
    for request in (one, many):
        try:
            got = InputReader(columns(*types)).read(decode(*request))
        except PayloadInvalidError:
            outcomes.append(None)
        else:
            # Column by column: a frame as one array would round its whole numbers.
            parts = [got[name].to_numpy() for name in got] if isinstance(got, pd.DataFrame) else list(np.asarray(got).T)
            outcomes.append(parts)
    matrix, by_column = outcomes
    assert (matrix is None) == (by_column is None)
    for a, b, sent in zip(matrix or [], by_column or [], rows.T, strict=False):
        np.testing.assert_array_equal(a, b, strict=True)
        np.testing.assert_array_equal(a.astype(rows.dtype), sent)


def test_shapes_must_fit() -> None:
    """Too few columns, other numbers of rows and scalars are refused, naming the tensor."""
    assert "[rows, 8]" in refused(DOUBLES, tensor("input", "FP64", [1, 7], [0.0] * 7))
    assert "[rows, 8]" in refused(DOUBLES, tensor("input", "FP64", [8], [0.0] * 8))
    assert "inputs.b: is missing" in refused(DOUBLES, tensor("a", "FP64", [1], [0.0]))
    pair = columns("double", "double")
    assert "inputs.b" in refused(pair, tensor("a", "FP64", [1], [0.0]), tensor("b", "FP64", [2], [0.0, 1.0]))
    assert "inputs.a" in refused(pair, tensor("a", "FP64", [], [0.0]), tensor("b", "FP64", [1], [0.0]))
    assert "inputs.x" in refused(Schema([TensorSpec(np.dtype(float), (-1, 2))]), tensor("x", "FP64", [2], [0.0, 1.0]))


@pytest.mark.parametrize("type_", ["string", "binary"])
def test_bytes_must_be_what_they_say(type_: str) -> None:
    """Text that is not UTF-8 and base64 that is none are a client's mistake."""
    array = np.empty(1, dtype=object)
    array[0] = b"\xff"
    described, data = in_binary("a", "BYTES", array)
    described["parameters"]["content_type"] = "base64"
    with pytest.raises(PayloadInvalidError, match=r"inputs\.a"):
        InputReader(columns(type_)).read(decode(*binary_body((described, data))))


def test_texts_of_very_different_lengths_take_no_more_than_they_are() -> None:
    """NumPy gives each text of an array the room of the longest."""
    schema = Schema([TensorSpec(np.dtype(str), (-1,))])
    assert "lengths" in refused(schema, tensor("x", "BYTES", [100_000], ["y" * 1_000] + [""] * 99_999))


SIGNATURES = [
    columns("double", "double"),
    columns("long", "float"),
    columns("string", "datetime"),
    columns("binary", "boolean"),
    Schema([ColSpec(Array(DataType.double), "a"), ColSpec("double", "b", False)]),
    Schema([ColSpec("double"), ColSpec("string")]),
    Schema([TensorSpec(np.dtype(np.float32), (-1, 2))]),
    Schema([TensorSpec(np.dtype(str), (-1,), "a"), TensorSpec(np.dtype(object), (-1, 1), "b")]),
]
VALUES = {
    "BOOL": st.booleans(),
    "BYTES": st.none() | st.text(max_size=3) | st.sampled_from(["1", "[1]", "2026-01-02", "{}"]),
    **{name: st.integers(0, 100) for name in DATATYPES if "INT" in name},
    **{name: st.none() | st.integers(-9, 9) for name in DATATYPES if "FP" in name},
}
TENSORS = st.tuples(
    st.sampled_from(["a", "b", "x"]),
    st.sampled_from(sorted(VALUES)),
    st.sampled_from([(), (0,), (1,), (2,), (1, 1), (2, 1), (1, 2), (2, 2), (0, 2), (2, 0)]),
).flatmap(
    lambda one: st.builds(
        lambda data: tensor(one[0], one[1], list(one[2]), data),
        st.lists(VALUES[one[1]], min_size=int(np.prod(one[2])), max_size=int(np.prod(one[2]))),
    )
)


@settings(deadline=None)
@given(st.sampled_from(SIGNATURES), st.lists(TENSORS, min_size=1, max_size=3, unique_by=lambda one: one["name"]))
def test_any_request_gives_input_that_mlflow_takes_or_is_refused(schema: Schema, tensors: list[dict[str, Any]]) -> None:
    """What is not refused is of the signature's types and shapes, so a model never sees anything else."""
    try:
        request = decode(json.dumps({"inputs": tensors}).encode())
        got = InputReader(schema).read(request)
    except PayloadInvalidError:
        return
    if isinstance(got, pd.DataFrame) and any(isinstance(column.type, Array) for column in schema.inputs):
        return  # what stands in a document is MLflow's to judge
    if isinstance(got, np.ndarray) and not schema.is_tensor_spec():
        got = pd.DataFrame(got, columns=schema.input_names()).astype(
            {column.name: column.type.to_pandas() for column in schema.inputs}
        )
    _enforce_schema(got, schema)
