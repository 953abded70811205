"""Requests of the Open Inference Protocol, from bytes to tensors."""

import json
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from serving.open_inference.request import RequestedOutput, decode, header_length
from sluice.errors import PayloadInvalidError
from tests.serving.open_inference.requests import CODES, binary_body, body, in_binary, tensor

SHAPES = arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)
NUMBERS = st.sampled_from(sorted(CODES)).flatmap(
    lambda datatype: st.tuples(st.just(datatype), arrays.arrays(CODES[datatype], SHAPES))
)
FLAT = {"flat": np.ravel, "nested": np.asarray}


def objects(elements: list[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    array = np.empty(len(elements), dtype=object)
    array[:] = elements
    return array.reshape(shape)


@settings(deadline=None)
@given(NUMBERS, st.sampled_from(sorted(FLAT)))
def test_numbers_come_through_json(case: tuple[str, NDArray[Any]], form: str) -> None:
    """Every value of every datatype is itself again, flat or nested, with NaN and Infinity as Python writes them."""
    datatype, array = case
    request = decode(body(tensor("x", datatype, list(array.shape), FLAT[form](array).tolist())))
    assert request.inputs[0].data.dtype == array.dtype
    np.testing.assert_array_equal(request.inputs[0].data, array, strict=True)


@settings(deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=4))
def test_numbers_come_through_binary(cases: list[tuple[str, NDArray[Any]]]) -> None:
    """Several binary tensors behind one another are taken apart where each says."""
    request = decode(*binary_body(*(in_binary(f"x{i}", datatype, array) for i, (datatype, array) in enumerate(cases))))
    for one, (datatype, array) in zip(request.inputs, cases, strict=True):
        assert one.datatype == datatype
        np.testing.assert_array_equal(one.data, array, strict=True)
        assert one.data.flags.writeable


@settings(deadline=None)
@given(st.lists(st.binary(max_size=8), max_size=5))
def test_byte_strings_come_through_binary(elements: list[bytes]) -> None:
    """BYTES hold any bytes, empty ones and zeros at the end too."""
    array = objects(elements, (len(elements), 1))
    request = decode(*binary_body(in_binary("x", "BYTES", array)))
    assert request.inputs[0].shape == (len(elements), 1)
    assert request.inputs[0].data.ravel().tolist() == elements


@settings(deadline=None)
@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=5))
def test_texts_come_through_json(elements: list[str | None]) -> None:
    """BYTES in JSON are text, kept as UTF-8; null is a missing one."""
    request = decode(body(tensor("x", "BYTES", [len(elements)], elements)))
    assert [None if one is None else one.decode() for one in request.inputs[0].data] == elements


def test_json_and_binary_stand_side_by_side() -> None:
    """One request may have tensors in both forms."""
    binary = in_binary("b", "INT16", np.array([1, 2], np.int16))
    content, end = binary_body((tensor("a", "FP32", [1], [0.5]), b""), binary, (tensor("c", "BOOL", [1], [True]), b""))
    assert [one.data.tolist() for one in decode(content, end).inputs] == [[0.5], [1, 2], [True]]


def test_null_is_a_missing_number() -> None:
    """MLServer's clients write NaN as null."""
    data = decode(body(tensor("x", "FP64", [2], [None, 1.5]))).inputs[0].data
    np.testing.assert_array_equal(data, [np.nan, 1.5])


def test_what_a_request_says_of_itself_is_kept() -> None:
    """Id, parameters, wanted outputs; the model's own parameters are those that are nobody else's."""
    request = decode(
        body(
            tensor("x", "FP64", [1], [1.0], parameters={"content_type": "np"}),
            id="7",
            parameters={"binary_data_output": True, "priority": 1, "k": 3},
            outputs=[{"name": "y"}, {"name": "z", "parameters": {"binary_data": False}}],
        )
    )
    assert (request.id, request.binary, request.params) == ("7", True, {"k": 3})
    assert request.outputs == [RequestedOutput("y", None), RequestedOutput("z", False)]
    assert request.inputs[0].parameters == {"content_type": "np"}


ONE = tensor("x", "FP32", [1], [1.0])
WITHOUT_DATA = {"name": "x", "datatype": "FP32", "shape": [1]}
UNEVEN = ([[1, 2], [3]], [[1, 2, 3], [4]], [[1, 2], 3, 4], [[[1], [2]], [[3], [4]]], [1, 2, 3, [4]], [[1, 2, 3, 4]])
NO_SHAPES = (None, 1, [-1], [1.0], [True], ["1"], [1] * 33)
NO_VALUES = {
    "BOOL": (1, "true", None),
    "INT8": (128, "1"),
    "UINT8": (-1, True),
    "INT32": (1.0, None),
    "INT64": (2**63,),
    "UINT64": (2**64,),
    "FP16": (70_000, 1e5),
    "FP32": ("1.5", True, 1e300),
    "FP64": ({},),
    "BYTES": (1,),
}


def wrong(**members: Any) -> dict[str, Any]:
    return {"inputs": [{**ONE, **members}]}


def wants(**parameters: Any) -> dict[str, Any]:
    return {"inputs": [ONE], "outputs": [{"name": "y", "parameters": parameters}]}


BAD: list[tuple[str, Any]] = [
    ("body", b""),
    ("body", b"\xff\xfe"),
    ("body", b"[]"),
    ("body", b"[" * 100_000),
    ("body", b'{"inputs": 1e999}'),
    ("body", b'{"inputs": [], "id": "\\ud800"}'),
    ("inputs", {}),
    ("inputs", {"inputs": []}),
    ("inputs", {"inputs": {"x": 1}}),
    ("inputs", {"inputs": [ONE, ONE]}),
    ("id", {"inputs": [ONE], "id": 7}),
    ("id", {"inputs": [ONE], "id": "x" * 2_000}),
    ("parameters", {"inputs": [ONE], "parameters": []}),
    ("parameters.binary_data_output", {"inputs": [ONE], "parameters": {"binary_data_output": 1}}),
    ("outputs", {"inputs": [ONE], "outputs": {}}),
    ("outputs", {"inputs": [ONE], "outputs": [{"name": "y"}, {"name": "y"}]}),
    ("outputs[0].name", {"inputs": [ONE], "outputs": ["y"]}),
    ("outputs[0].parameters", {"inputs": [ONE], "outputs": [{"name": "y", "parameters": 1}]}),
    ("outputs[0].parameters", wants(classification=2)),
    ("outputs[0].parameters", wants(shared_memory_region="r")),
    ("outputs[0].parameters.binary_data", wants(binary_data=0)),
    ("inputs[0]", {"inputs": [1]}),
    ("inputs[1].name", {"inputs": [ONE, {**ONE, "name": ""}]}),
    ("inputs[0].name", wrong(name="x" * 257)),
    ("inputs[0].datatype", wrong(datatype="FP8")),
    ("inputs[0].datatype", wrong(datatype="BF16")),
    ("inputs[0].datatype", wrong(datatype=["FP32"])),
    ("inputs[0].parameters", wrong(parameters=[1])),
    ("inputs[0].parameters", wrong(parameters={"shared_memory_region": "r"})),
    ("inputs[0].parameters.binary_data_size", {"inputs": [{**WITHOUT_DATA, "parameters": {"binary_data_size": 4}}]}),
    ("inputs[0]", wrong(parameters={"binary_data_size": 4})),
    ("inputs[0].data", {"inputs": [WITHOUT_DATA]}),
    ("inputs[0].data", wrong(data="1")),
    ("inputs[0].data", wrong(shape=[], data=[[1]])),
    ("inputs[0].shape", wrong(shape=[0, 2**62], data=[])),
    *(("inputs[0].shape", wrong(shape=shape)) for shape in NO_SHAPES),
    *(("inputs[0].data", wrong(shape=shape)) for shape in ([2], [2**40, 2**40], [2**64 - 1] * 8)),
    *(("inputs[0].data", wrong(shape=[2, 2], data=data)) for data in UNEVEN),
    *(("inputs[0].data", wrong(datatype=name, data=[value])) for name, values in NO_VALUES.items() for value in values),
]


@pytest.mark.parametrize(("field", "content"), BAD)
def test_what_is_wrong_is_named(field: str, content: Any) -> None:
    """A malformed request is a client's mistake, and the answer says where it is."""
    with pytest.raises(PayloadInvalidError) as raised:
        decode(content if isinstance(content, bytes) else json.dumps(content).encode())
    assert raised.value.field == field
    assert raised.value.status == 400
    assert len(str(raised.value)) < 500


FLOATS = in_binary("x", "FP32", np.ones((2, 2), np.float32))
TEXTS = in_binary("x", "BYTES", objects([b"ab", b"c"], (2,)))


@pytest.mark.parametrize(
    ("field", "described", "data"),
    [
        ("inputs[0].parameters.binary_data_size", FLOATS[0], FLOATS[1][:-1]),
        ("inputs[0].parameters.binary_data_size", {**FLOATS[0], "shape": [2, 3]}, FLOATS[1]),
        ("inputs[0].parameters.binary_data_size", {**FLOATS[0], "parameters": {"binary_data_size": -4}}, FLOATS[1]),
        ("inputs[0].parameters.binary_data_size", {**FLOATS[0], "parameters": {"binary_data_size": "16"}}, FLOATS[1]),
        ("body", FLOATS[0], FLOATS[1] + b"\0"),
        ("inputs[0].data", {**TEXTS[0], "shape": [3]}, TEXTS[1]),
        ("inputs[0].data", {**TEXTS[0], "parameters": {"binary_data_size": 9}}, TEXTS[1][:9]),
        ("inputs[0].data", {**TEXTS[0], "parameters": {"binary_data_size": 10}}, TEXTS[1][:10]),
        ("inputs[0].data", {**TEXTS[0], "shape": [1]}, b"\xff\xff\xff\xff" + TEXTS[1][4:]),
    ],
)
def test_binary_data_must_fit_what_the_json_says(field: str, described: dict[str, Any], data: bytes) -> None:
    """Bytes too few, too many or in another form than the datatype's are refused, and none are read twice."""
    with pytest.raises(PayloadInvalidError) as raised:
        decode(*binary_body((described, data)))
    assert raised.value.field == field


@pytest.mark.parametrize("value", ["", "-1", "1.5", "x", "²", "9" * 5_000])
def test_header_length_must_be_a_number(value: str) -> None:
    """Whatever stands in the header, it is refused by its name."""
    with pytest.raises(PayloadInvalidError, match="Inference-Header-Content-Length"):
        header_length(value)
    assert header_length("120") == 120
    assert header_length(None) is None


@pytest.mark.parametrize("length", [-1, 1_000])
def test_header_length_must_lie_in_the_body(length: int) -> None:
    """JSON cannot end where the body does not go."""
    with pytest.raises(PayloadInvalidError, match="Inference-Header-Content-Length"):
        decode(body(ONE), length)


def test_a_shape_without_data_allocates_nothing() -> None:
    """A few bytes cannot make the service take gigabytes."""
    tracemalloc.start()
    for shape in ([2**31], [2**20, 2**20], [0, 2**40], [2**40, 0]):
        for datatype in ("FP64", "BYTES"):
            with pytest.raises(PayloadInvalidError):
                decode(body(tensor("x", datatype, shape, [])))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.sampled_from(sorted(CODES)),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=4), values, max_size=3),
    max_leaves=8,
)
MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "name": JSON | st.just("x"),
        "datatype": st.sampled_from([*CODES, "BYTES", "BF16"]) | JSON,
        "shape": st.lists(st.integers(-1, 3), max_size=3) | JSON,
        "data": st.lists(st.integers(-300, 300) | JSON, max_size=4) | JSON,
        "parameters": st.fixed_dictionaries({}, optional={"binary_data_size": st.integers(-1, 20) | JSON}) | JSON,
    },
)
REQUESTS = st.fixed_dictionaries(
    {"inputs": st.lists(MEMBERS, max_size=3) | JSON}, optional={"id": JSON, "parameters": JSON, "outputs": JSON}
)


@settings(deadline=None)
@given(st.binary(), st.none() | st.integers(-1, 40))
def test_any_bytes_are_read_or_refused(content: bytes, length: int | None) -> None:
    """Noise is a client's mistake, never ours."""
    with pytest.raises(PayloadInvalidError):
        decode(content, length)


@settings(deadline=None)
@given(REQUESTS, st.binary(max_size=40), st.booleans())
def test_any_request_is_read_or_refused(request_: Any, tail: bytes, says_length: bool) -> None:
    """Whatever its members are, a request gives tensors of the shapes it says, or a client's mistake."""
    header = json.dumps(request_).encode()
    try:
        read = decode(header + tail, len(header) if says_length else None)
    except PayloadInvalidError:
        return
    assert [list(one.shape) for one in read.inputs] == [one["shape"] for one in request_["inputs"]]
