"""An inference request: from a body's bytes to named tensors."""

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

import orjson

from serving.open_inference import tensor
from serving.open_inference.tensor import SHARED_MEMORY, Tensor
from sluice.errors import PayloadInvalidError

HEADER_LENGTH = "Inference-Header-Content-Length"
BINARY_OUTPUT = "binary_data_output"
_LONGEST_ID = 1_024
_NOTHING: Mapping[str, Any] = {}
# What clients say to the server, or to MLServer's codecs, and not to the model.
_RESERVED = frozenset(
    {"content_type", "headers", BINARY_OUTPUT, "sequence_id", "sequence_start", "sequence_end", "priority", "timeout"}
)


class RequestedOutput(NamedTuple):
    """``binary`` is None where the request leaves it to its own ``binary_data_output``."""

    name: str
    binary: bool | None


class InferRequest(NamedTuple):
    """``outputs`` is empty where all are wanted; ``binary`` is for the outputs that do not say."""

    id: str | None
    parameters: Mapping[str, Any]
    inputs: list[Tensor]
    outputs: list[RequestedOutput]
    binary: bool

    @property
    def params(self) -> dict[str, Any]:
        """The parameters that are the model's, as MLServer hands them to MLflow."""
        return {name: value for name, value in self.parameters.items() if name not in _RESERVED}


def header_length(value: str | None) -> int | None:
    """The header ``Inference-Header-Content-Length`` as a number; None without one.

    Raises:
        PayloadInvalidError: it is no number.
    """
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 16):
        _refuse(HEADER_LENGTH, "must be the JSON's number of bytes.")
    return int(value)


def decode(body: bytes, header_length: int | None = None) -> InferRequest:
    """Read a request. ``header_length`` is where the JSON ends and binary tensors begin; None if it is all JSON.

    Missing numbers are null or NaN in JSON, and infinite ones Infinity, as Python's clients write them.

    Raises:
        PayloadInvalidError: naming the member that is wrong.
    """
    header, position = body, len(body)
    if header_length is not None:
        if not 0 <= header_length <= position:
            _refuse(HEADER_LENGTH, f"says {header_length:,} bytes, and the body has {position:,}.")
        header, position = body[:header_length], header_length
    payload = _object(header)
    id_ = payload.get("id")
    if id_ is not None and (type(id_) is not str or len(id_) > _LONGEST_ID):
        _refuse("id", f"must be text of at most {_LONGEST_ID:,} characters.")
    parameters = payload.get("parameters")
    binary = False
    if parameters is None:
        parameters = _NOTHING
    elif type(parameters) is not dict:
        _refuse("parameters", "must be an object of parameters and values.")
    elif BINARY_OUTPUT in parameters:
        binary = _flag(parameters[BINARY_OUTPUT], f"parameters.{BINARY_OUTPUT}")
    items = payload.get("inputs")
    if type(items) is not list or not items:
        _refuse("inputs", "must be a list of one tensor or more.")
    inputs = []
    for index, item in enumerate(items):
        one, position = tensor.parse(item, index, body, position)
        inputs.append(one)
    if len(inputs) > 1 and len({one.name for one in inputs}) < len(inputs):
        _refuse("inputs", "has two tensors of one name.")
    if position != len(body):
        _refuse("body", f"has {len(body) - position:,} bytes more than its tensors say.")
    outputs = payload.get("outputs")
    return InferRequest(id_, parameters, inputs, _outputs(outputs) if outputs is not None else [], binary)


def _object(header: bytes) -> dict[str, Any]:
    try:
        payload = orjson.loads(header)
    except orjson.JSONDecodeError:
        payload = _lenient(header)
    if type(payload) is not dict:
        _refuse("body", "must be a JSON object with inputs.")
    return payload


def _lenient(header: bytes) -> Any:
    """Python's JSON, with NaN and Infinity: tritonclient writes those."""
    try:
        payload = json.loads(header.decode(), parse_float=_finite)
        orjson.dumps(payload)  # raises on what an answer could not repeat: lone surrogates, integers beyond 64 bits
    except (ValueError, TypeError, RecursionError) as error:
        _refuse("body", f"is not JSON: {str(error)[:200]}")
    return payload


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is out of the range of FP64")
    return number


def _outputs(items: Any) -> list[RequestedOutput]:
    if type(items) is not list:
        _refuse("outputs", "must be a list of the outputs wanted.")
    outputs = []
    for index, item in enumerate(items):
        name = item.get("name") if type(item) is dict else None
        if type(name) is not str:
            _refuse(f"outputs[{index}].name", "must be the name of an output.")
        parameters = item.get("parameters", {})
        field = f"outputs[{index}].parameters"
        if type(parameters) is not dict:
            _refuse(field, "must be an object of parameters and values.")
        if SHARED_MEMORY in parameters:
            _refuse(field, "names a region of shared memory, which this service has none of.")
        if parameters.get("classification"):
            _refuse(field, "asks for classification, an extension this service does not have. Ask for the scores.")
        binary = parameters.get("binary_data")
        outputs.append(RequestedOutput(name, None if binary is None else _flag(binary, f"{field}.binary_data")))
    if len({one.name for one in outputs}) < len(outputs):
        _refuse("outputs", "names an output twice.")
    return outputs


def _flag(value: Any, field: str) -> bool:
    if type(value) is not bool:
        _refuse(field, "must be true or false.")
    return value


def _refuse(field: str, problem: str) -> NoReturn:
    raise PayloadInvalidError(field=field, problem=problem) from None
