"""Answers of the Open Inference Protocol, from what a model gave to bytes."""

import base64
import json
import struct
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from mlflow.types import ColSpec, Schema, TensorSpec
from numpy.typing import NDArray

from serving.open_inference.request import decode
from serving.open_inference.response import ResponseWriter
from sluice.errors import PayloadInvalidError
from tests.serving.open_inference.requests import CODES, body, tensor

ONE = tensor("x", "FP64", [1], [1.0])
BINARY = {"parameters": {"binary_data_output": True}}
Y = Schema([ColSpec("double", "y")])


def answer(prediction: Any, schema: Schema | None = None, **request: Any) -> tuple[dict[str, Any], bytes]:
    """The JSON of an answer and what comes after it."""
    headers, content = ResponseWriter("m", "3", schema).write(decode(body(ONE, **request)), prediction)
    said = dict(headers)
    is_binary = b"inference-header-content-length" in said
    assert said[b"content-type"] == (b"application/octet-stream" if is_binary else b"application/json")
    end = int(said.get(b"inference-header-content-length", len(content)))
    return json.loads(content[:end]), content[end:]


def outputs(prediction: Any, schema: Schema | None = None, **request: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer(prediction, schema, **request)[0]["outputs"]
    return found


def array_of(output: dict[str, Any], data: bytes) -> NDArray[Any]:
    size = output["parameters"]["binary_data_size"]
    return np.frombuffer(data[:size], CODES[output["datatype"]]).reshape(output["shape"])


PREDICTIONS = st.sampled_from(sorted(CODES)).flatmap(
    lambda datatype: arrays.arrays(CODES[datatype], arrays.array_shapes(min_dims=1, max_dims=3, min_side=0))
)


@settings(deadline=None)
@given(PREDICTIONS, st.booleans())
def test_numbers_come_through_binary(array: NDArray[Any], backwards: bool) -> None:
    """Every value of every datatype is itself again, however the array lies in memory."""
    array = array[::-1] if backwards else array
    described, data = answer(array, **BINARY)
    np.testing.assert_array_equal(array_of(described["outputs"][0], data), array, strict=True)


@settings(deadline=None)
@given(PREDICTIONS)
def test_numbers_come_through_json(array: NDArray[Any]) -> None:
    """In JSON too, but that what is missing or infinite is null."""
    output = outputs(array)[0]
    got = np.array(output["data"], CODES[output["datatype"]]).reshape(output["shape"])
    expected = np.where(np.isfinite(array), array, np.nan) if array.dtype.kind == "f" else array
    np.testing.assert_array_equal(got, expected)
    assert got.dtype == array.dtype


def test_the_answer_says_who_gave_it_and_to_what() -> None:
    """Model, version and the request's own id; no id where the request had none."""
    described, _ = answer(np.array([1.5]), id="7")
    assert described == {
        "model_name": "m",
        "model_version": "3",
        "id": "7",
        "parameters": {"content_type": "np"},
        "outputs": [
            {
                "name": "output-1",
                "datatype": "FP64",
                "shape": [1],
                "parameters": {"content_type": "np"},
                "data": [1.5],
            }
        ],
    }
    assert "id" not in answer(np.array([1.5]))[0]


@pytest.mark.parametrize(
    ("schema", "prediction", "expected"),
    [
        (None, np.zeros((2, 3)), {"output-1": [2, 3]}),
        (Schema([TensorSpec(np.dtype(float), (-1,))]), np.zeros(2), {"output-1": [2]}),
        (Schema([TensorSpec(np.dtype(float), (-1, 3), "p")]), np.zeros((2, 3)), {"p": [2, 3]}),
        (Y, np.zeros(2), {"y": [2, 1]}),
        (Y, pd.Series([1.0, 2.0], name="other"), {"y": [2, 1]}),
        (Schema([ColSpec("double", "a"), ColSpec("double", "b")]), np.zeros((2, 2)), {"a": [2, 1], "b": [2, 1]}),
        (Schema([ColSpec("double"), ColSpec("double")]), np.zeros((2, 2)), {"output-1": [2, 1], "output-2": [2, 1]}),
        (Y, pd.DataFrame({"y": [1.0], 7: [2.0]}), {"y": [1, 1], "7": [1, 1]}),
        (None, {"a": np.zeros((2, 2)), "b": [1], "c": 1.5}, {"a": [2, 2], "b": [1], "c": [1]}),
        (None, [1, 2], {"output-1": [2]}),
        (None, [[1, 2], [3]], {"output-1": [2]}),
        (None, "text", {"output-1": [1]}),
        (None, 1.5, {"output-1": [1]}),
        (None, [], {"output-1": [0]}),
    ],
)
def test_outputs_have_the_signatures_names(schema: Schema | None, prediction: Any, expected: dict[str, Any]) -> None:
    """Where it has none they are called as MLServer calls them; a column is [rows, 1]."""
    assert {one["name"]: one["shape"] for one in outputs(prediction, schema)} == expected


def test_a_frame_is_read_back_as_mlserver_writes_it() -> None:
    """A column an output: text as str, lists and mixed values as JSON documents, bytes as base64, times as ISO."""
    frame = pd.DataFrame(
        {
            "number": [1.5, np.nan],
            "whole": pd.array([1, None], dtype="Int64"),
            "flag": [True, False],
            "text": ["ä", "b"],
            "some": ["a", None],
            "kind": pd.Categorical(["x", "y"]),
            "raw": [b"\0\xff", b""],
            "items": [[1, 2], np.array([3])],
            "time": pd.to_datetime(["2026-01-02T03:04:05", "2026-01-02T00:00:00"]),
            "zoned": pd.to_datetime(["2026-01-02T03:04:05+01:00", "2026-01-02T00:00:00+01:00"]),
        }
    )
    described, _ = answer(frame)
    assert described["parameters"] == {"content_type": "pd"}
    got = {
        one["name"]: (one["datatype"], one.get("parameters", {}).get("content_type"), one["data"])
        for one in described["outputs"]
    }
    assert got == {
        "number": ("FP64", None, [1.5, None]),
        "whole": ("FP64", None, [1.0, None]),
        "flag": ("BOOL", None, [True, False]),
        "text": ("BYTES", "str", ["ä", "b"]),
        "some": ("BYTES", "pd_json", ['"a"', "null"]),
        "kind": ("BYTES", "str", ["x", "y"]),
        "raw": ("BYTES", "base64", ["AP8=", ""]),
        "items": ("BYTES", "pd_json", ["[1,2]", "[3]"]),
        "time": ("BYTES", "datetime", got["time"][2]),
        "zoned": ("BYTES", "datetime", got["zoned"][2]),
    }
    assert list(pd.to_datetime(got["time"][2])) == list(frame["time"])
    assert list(pd.to_datetime(got["zoned"][2], utc=True)) == list(frame["zoned"])


@settings(deadline=None)
@given(st.lists(st.binary(max_size=5), min_size=1, max_size=4) | st.lists(st.text("aä", max_size=5), min_size=1))
def test_bytes_come_through_json_and_binary(elements: list[Any]) -> None:
    """Bytes are themselves in binary and base64 in JSON; text is UTF-8 in both."""
    frame = pd.DataFrame({"y": pd.Series(elements, dtype=object)})
    raw = [element if isinstance(element, bytes) else element.encode() for element in elements]
    described, data = answer(frame, **BINARY)
    assert data == b"".join(struct.pack("<I", len(element)) + element for element in raw)
    assert described["outputs"][0]["parameters"]["binary_data_size"] == len(data)
    output = outputs(frame)[0]
    is_text = output["parameters"]["content_type"] == "str"
    assert [one.encode() if is_text else base64.b64decode(one) for one in output["data"]] == raw


def test_outputs_are_those_asked_for_in_that_order() -> None:
    """Each in the form it asks for, or in the request's."""
    frame = pd.DataFrame({"a": [1.0], "b": [2.0], "c": [3.0]})
    wanted = [{"name": "c"}, {"name": "a", "parameters": {"binary_data": False}}]
    described, data = answer(frame, outputs=wanted, **BINARY)
    assert [one["name"] for one in described["outputs"]] == ["c", "a"]
    assert array_of(described["outputs"][0], data).tolist() == [[3.0]]
    assert described["outputs"][1]["data"] == [1.0]
    with pytest.raises(PayloadInvalidError, match=r"outputs\[0\]\.name: .* a, b, c"):
        answer(frame, outputs=[{"name": "d"}])


@pytest.mark.parametrize("prediction", [np.array([1 + 2j]), np.array([np.timedelta64(1)]), [object()], "\ud800"])
def test_what_the_protocol_cannot_say_is_an_error(prediction: Any) -> None:
    """A model's strange answer is never sent as something else."""
    with pytest.raises((TypeError, ValueError)):
        answer(prediction)
